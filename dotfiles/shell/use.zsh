
# `devboot use` changes this shell: the program prints what is to be done, in a text that begins with its mark. What the
# variables were before is kept in variables of this shell alone, and given back whole. All else is the program itself.
function devboot {
  \builtin local _devboot_word= _devboot_at=0 _devboot_value= _devboot_failed=0
  # The options of every command may stand before its name.
  for _devboot_word in "$@"; do
    (( _devboot_at += 1 ))
    if [[ -n "$_devboot_value" ]]; then
      _devboot_value= _devboot_word=
      continue
    fi
    case "$_devboot_word" in
      (--home) _devboot_value=1 ;;
      (--home=*|--json|--quiet|--verbose|-[qv]) ;;
      (*) break ;;
    esac
  done
  if [[ "$_devboot_word" == use && "${DEVBOOT_DISABLE-}" != 1 ]]; then
    _devboot_use "${@:1:$(( _devboot_at - 1 ))}" "${@:$(( _devboot_at + 1 ))}"
    return
  fi
  \command devboot "$@" || _devboot_failed=$?
  # What was just trusted, or is no longer, counts from the next prompt on.
  case " $* " in (*' trust '*|*' --trust '*) _devboot_project= _devboot_pwd= ;; esac
  return $_devboot_failed
}

function _devboot_use {
  \builtin emulate -L zsh
  { \builtin setopt noxtrace } 2>/dev/null
  \builtin local _devboot_text _devboot_failed=0
  # With a read-only variable nothing is begun.
  _devboot_text=$(\command devboot use --emit=zsh --previous="${_devboot_previous-}" --auto="${_devboot_auto-}" \
    --before="${_devboot_before-}" --kept="${(j: :)_devboot_kept}" \
    --fixed="${(j: :)${(M)${(k)parameters[(R)*readonly*]}:#[A-Za-z_]*}}" "$@") || _devboot_failed=$?
  if [[ "$_devboot_text" == '# devboot use 1'$'\n'* ]]; then
    \builtin eval "$_devboot_text" || _devboot_failed=1
  elif [[ -n "$_devboot_text" ]]; then
    \builtin printf '%s\n' "$_devboot_text"
  fi
  return $_devboot_failed
}

# Keeps what variables are, and takes them away. -: it was not there, x: it was exported, s: it was set, d: all else, in zsh's
# own words.
function _devboot_keep {
  \builtin emulate -L zsh
  \builtin local _devboot_name _devboot_was
  for _devboot_name in "$@"; do
    _devboot_was=-
    if (( ${(P)+_devboot_name} )); then
      case "${(Pt)_devboot_name}" in
        scalar-export) _devboot_was="x${(P)_devboot_name}" ;;
        scalar) _devboot_was="s${(P)_devboot_name}" ;;
        *) _devboot_was="d$(\builtin typeset -p "$_devboot_name")" ;;
      esac
    fi
    _devboot_kept+=("$_devboot_name")
    _devboot_kept_as+=("$_devboot_was")
    \builtin unset -v "$_devboot_name"
  done
}

function _devboot_back {
  \builtin emulate -L zsh
  \builtin local _devboot_at _devboot_name _devboot_was
  for (( _devboot_at = 1; _devboot_at <= $#_devboot_kept; _devboot_at++ )); do
    _devboot_name=${_devboot_kept[_devboot_at]} _devboot_was=${_devboot_kept_as[_devboot_at]}
    \builtin unset -v "$_devboot_name"
    case "$_devboot_was" in
      x*) \builtin typeset -gx "$_devboot_name=${_devboot_was[2,-1]}" ;;
      s*) \builtin typeset -g "$_devboot_name=${_devboot_was[2,-1]}" ;;
      # An older zsh leaves the -g out, without which it would be of this function.
      d*) \builtin eval "${${_devboot_was[2,-1]}/#typeset /typeset -g }" ;;
    esac
  done
  _devboot_kept=() _devboot_kept_as=()
}

# A project may name the profile for its directory. The program is asked when another project begins or ends, not before.
function _devboot_here {
  \builtin emulate -L zsh
  \builtin local _devboot_dir_at="$PWD" _devboot_found=
  _devboot_pwd=$PWD
  while [[ -n "$_devboot_dir_at" ]]; do
    if [[ -e "$_devboot_dir_at/devboot.toml" ]]; then
      _devboot_found=$_devboot_dir_at
      break
    fi
    _devboot_dir_at=${_devboot_dir_at%/*}
  done
  if [[ "$_devboot_found" != "${_devboot_project-}" ]]; then
    _devboot_project=$_devboot_found
    if [[ -n "$_devboot_found" || -n "${_devboot_auto-}" ]]; then _devboot_use --here; fi
  fi
}

# For a prompt: `setopt promptsubst; PS1='${_devboot_segment-}'"$PS1"`.
function _devboot_prompt {
  \builtin emulate -L zsh
  \builtin typeset -g _devboot_segment=
  if [[ -z "${DEVBOOT_CLOUD-}" ]]; then return 0; fi
  \builtin local _devboot_color=cyan _devboot_left= _devboot_now='%D{%s}'
  if [[ -n "${DEVBOOT_CLOUD_GUARD-}" ]]; then _devboot_color=red; fi
  if [[ -n "${DEVBOOT_CLOUD_UNTIL-}" && "$DEVBOOT_CLOUD_UNTIL" != *[^0-9]* ]]; then
    _devboot_left=$(( DEVBOOT_CLOUD_UNTIL - ${(%)_devboot_now} ))
    if (( _devboot_left >= 60 )); then
      _devboot_left=" $(( _devboot_left / 60 ))m"
    elif (( _devboot_left > 0 )); then
      _devboot_left=" ${_devboot_left}s"
    else
      _devboot_left=' over'
    fi
  fi
  _devboot_segment="%F{$_devboot_color}$DEVBOOT_CLOUD$_devboot_left%f "
}

if [[ "${_devboot_loaded-}" != "$$" ]]; then
  _devboot_kept=() _devboot_kept_as=()
  # It began where a directory had chosen the profile, and leaves it with that directory; `-` is no project.
  if [[ -n "${DEVBOOT_CLOUD_HERE-}" ]]; then _devboot_auto=$DEVBOOT_CLOUD_HERE _devboot_project=-; fi
fi
