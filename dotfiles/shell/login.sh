case "${DEVBOOT_DISABLE-}" in 1) return 0 ;; esac
# shellcheck source=/dev/null
if [ -r "$_devboot_dir/env.sh" ]; then \. "$_devboot_dir/env.sh"; fi
# A login bash reads ~/.bashrc only where some file says so; the mark tells whether one did.
case "${BASH_VERSION-} $-" in
  [0-9]*' '*i*)
    # shellcheck source=/dev/null
    case "${_devboot_loaded-}" in
      "$$") ;;
      *) if [ -r "$_devboot_dir/shell.bash" ]; then \. "$_devboot_dir/shell.bash"; fi ;;
    esac
    ;;
esac
:
