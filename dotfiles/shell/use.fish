
        # `devboot use` changes this shell: the program prints what is to be done, in a text that begins with its mark. What
        # the variables were before is kept in variables of this shell alone. All else is the program itself.
        function devboot
            # The options of every command may stand before its name.
            set -l at 1
            while set -q argv[$at]
                switch $argv[$at]
                    case --home
                        set at (math $at + 2)
                    case '--home=*' --json --quiet --verbose -q -v
                        set at (math $at + 1)
                    case '*'
                        break
                end
            end
            if set -q argv[$at]; and test "$argv[$at]" = use -a "$DEVBOOT_DISABLE" != 1
                set -e argv[$at]
                _devboot_use $argv
                return
            end
            command devboot $argv
            set -l failed $status
            # What was just trusted, or is no longer, counts from the next prompt on.
            if contains -- trust $argv; or contains -- --trust $argv
                set -g _devboot_project
                set -g _devboot_pwd
            end
            return $failed
        end

        function _devboot_use
            # What is carried out may hold credentials, and a trace would show them.
            set -lx fish_trace
            set -l text (command devboot use --emit=fish --previous="$_devboot_previous" --auto="$_devboot_auto" \
                --before="$_devboot_before" --kept="$_devboot_kept" $argv)
            set -l failed $status
            if test "$text[1]" = '# devboot use 1'
                printf '%s\n' $text | source
                or set failed 1
            else if set -q text[1]
                printf '%s\n' $text
            end
            return $failed
        end

        # Keeps what is global of a variable, a list as a list, and takes it away; what is universal stays as it is.
        # x: it was exported, s: it was set, X and S: it was a path, -: it was not there.
        function _devboot_keep
            for name in $argv
                set -l flags -
                if set -qg $name
                    set -g _devboot_was_$name $$name
                    set -qgx $name
                    and set flags x
                    or set flags s
                    set -qg --path $name
                    and set flags (string upper $flags)
                    set -eg $name
                end
                set -ga _devboot_kept $name
                set -ga _devboot_kept_flags $flags
            end
        end

        function _devboot_back
            set -l at 0
            for name in $_devboot_kept
                set at (math $at + 1)
                set -l was _devboot_was_$name
                set -eg $name
                switch $_devboot_kept_flags[$at]
                    case x
                        set -gx --unpath $name $$was
                    case s
                        set -gu --unpath $name $$was
                    case X
                        set -gx --path $name $$was
                    case S
                        set -gu --path $name $$was
                end
                set -eg $was
            end
            for name in $_devboot_hidden
                set -eg $name
            end
            set -g _devboot_kept
            set -g _devboot_kept_flags
            set -g _devboot_hidden
        end

        # A shell that begins with a switch: what the switch took away, a universal variable would bring back. Its export is hidden by
        # another exported one alone, which a fish that was switched has handed on.
        function _devboot_hide
            for name in (set -Uxn)
                set -l cloud
                switch $name
                    case 'AWS_*'
                        string match -qr '^AWS_(ACC|CONT|CRED|DEFAULT_P|PROF|ROLE|SEC|SESS|WEB)' -- $name
                        and set cloud AWS_EC2_METADATA_DISABLED
                    case 'GOOGLE_*' 'GCLOUD_*' 'GCE_*' 'DEVSHELL_*' 'CLOUDSDK_A*' 'CLOUDSDK_CORE_*'
                        set cloud CLOUDSDK_
                    case 'AZURE_*' 'ARM_*' 'IDENTITY_*' 'IMDS_*' 'MSI_*'
                        set cloud AZURE_CONFIG_DIR
                end
                if test -n "$cloud"; and string match -q "*$cloud*" -- $DEVBOOT_CLOUD_SETS
                    set -l nothing
                    string match -q 'AWS_*PROFILE' -- $name
                    and set nothing default
                    set -qg $name
                    or set -gx $name $nothing
                    test "$$name" = "$nothing"
                    and set -ga _devboot_hidden $name
                end
            end
        end

        # A project may name the profile for its directory. The program is asked when another project begins or ends.
        function _devboot_here
            set -g _devboot_pwd $PWD
            set -l at $PWD
            set -l found
            while test -n "$at"
                if test -e $at/devboot.toml
                    set found $at
                    break
                end
                set at (string replace -r '/[^/]*$' '' -- $at)
            end
            if test "$found" != "$_devboot_project"
                set -g _devboot_project $found
                if test -n "$found" -o -n "$_devboot_auto"
                    _devboot_use --here
                end
            end
        end

        # For a prompt: call it in fish_prompt. fish tells the time to no one who starts no process, so it says the end.
        function _devboot_prompt
            test -n "$DEVBOOT_CLOUD"
            or return 0
            set -l color cyan
            test -n "$DEVBOOT_CLOUD_GUARD"
            and set color red
            set -l left
            test -n "$DEVBOOT_CLOUD_ENDS"
            and set left " until $DEVBOOT_CLOUD_ENDS"
            printf '%s%s%s%s ' (set_color $color) $DEVBOOT_CLOUD "$left" (set_color normal)
        end

        if test "$_devboot_loaded" != $fish_pid
            set -g _devboot_kept
            set -g _devboot_kept_flags
            set -g _devboot_hidden
            set -q DEVBOOT_CLOUD_SETS
            and _devboot_hide
            # It began where a directory had chosen the profile, and leaves it with that directory; `-` is no project.
            if test -n "$DEVBOOT_CLOUD_HERE"
                set -g _devboot_auto $DEVBOOT_CLOUD_HERE
                set -g _devboot_project -
            end
        end
