
        # `devboot use` changes this shell: the program prints what is to be done, in a text that begins with its mark. What
        # the variables were before is kept in variables of this shell alone. All else is the program itself.
        function devboot
            if test "$argv[1]" != use -o "$DEVBOOT_DISABLE" = 1
                command devboot $argv
                return
            end
            _devboot_use $argv[2..-1]
        end

        function _devboot_use
            set -l text (command devboot use --emit=fish --previous="$_devboot_previous" --auto="$_devboot_auto" \
                --before="$_devboot_before" $argv)
            set -l failed $status
            if test "$text[1]" = '# devboot use 1'
                printf '%s\n' $text | source
                or set failed 1
            else if set -q text[1]
                printf '%s\n' $text
            end
            return $failed
        end

        # x: it was exported, s: it was set, -: it was not there.
        function _devboot_keep
            for name in $argv
                set -ga _devboot_kept $name
                set -ga _devboot_kept_as "$$name"
                if set -qx $name
                    set -ga _devboot_kept_flags x
                else if set -q $name
                    set -ga _devboot_kept_flags s
                else
                    set -ga _devboot_kept_flags -
                end
            end
        end

        function _devboot_back
            set -l at 0
            for name in $_devboot_kept
                set at (math $at + 1)
                set -eg $name
                switch $_devboot_kept_flags[$at]
                    case x
                        set -gx $name $_devboot_kept_as[$at]
                    case s
                        set -g $name $_devboot_kept_as[$at]
                end
            end
            set -g _devboot_kept
            set -g _devboot_kept_as
            set -g _devboot_kept_flags
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
            set -g _devboot_kept_as
            set -g _devboot_kept_flags
        end
