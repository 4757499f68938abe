if test "$DEVBOOT_DISABLE" != 1
    #@dir
    if test -r $_devboot_dir/env.fish
        source $_devboot_dir/env.fish
    end
    if status is-interactive
        #@generation
        if test "$_devboot_loaded" != $fish_pid -a -r $_devboot_dir/early.fish #@early
            source $_devboot_dir/early.fish #@early
        end #@early
#@functions

# On a reload: leaves the aliases that this shell's user changed or removed, and removes those that are gone.
set -l _devboot_want
set -l _devboot_theirs
for _devboot_name in $_devboot_had
    if not functions -q -- $_devboot_name; or test (functions -D -- $_devboot_name) != "$_devboot_dir/shell.fish"
        set -a _devboot_theirs $_devboot_name
    end
end
#@aliases
for _devboot_name in $_devboot_had
    if not contains -- $_devboot_name $_devboot_want; and not contains -- $_devboot_name $_devboot_theirs
        functions -e $_devboot_name
    end
end
set -g _devboot_had $_devboot_want

        # fish looks there on the first TAB. #@completion
        if not contains -- $_devboot_dir/completions $fish_complete_path #@completion
            set -g fish_complete_path $fish_complete_path $_devboot_dir/completions #@completion
        end #@completion
        if test "$_devboot_loaded" != $fish_pid -a -r $_devboot_dir/late.fish #@late
            source $_devboot_dir/late.fish #@late
        end #@late

        #@use

        # At each prompt: one small file is read, and when its line is another one, this file is read again.
        function _devboot_hook --on-event fish_prompt
            test "$DEVBOOT_DISABLE" != 1
            or return 0
            test "$_devboot_pwd" = "$PWD"
            or _devboot_here
            test -r $_devboot_dir/generation
            or return 0
            set -l now
            read now <$_devboot_dir/generation 2>/dev/null
            if test -n "$now" -a "$now" != "$_devboot_generation" -a -r $_devboot_dir/shell.fish
                source $_devboot_dir/shell.fish
                set -g _devboot_generation $now
            end
            return 0
        end
        set -g _devboot_loaded $fish_pid
    end
end
