
# `devboot use` changes this shell: the program prints what is to be done, in a text that begins with its mark. What the
# variables were before is kept in variables of this shell alone, and given back whole. All else is the program itself.
function devboot {
  \builtin local _devboot_at _devboot_failed=0
  # The options of every command may stand before its name.
  for ((_devboot_at = 1; _devboot_at <= $#; _devboot_at++)); do
    case ${!_devboot_at} in
    --home) _devboot_at=$((_devboot_at + 1)) ;;
    --home=* | --json | --quiet | --verbose | -[qv]) ;;
    *) \builtin break ;;
    esac
  done
  if [[ ${!_devboot_at-} == use && ${DEVBOOT_DISABLE-} != 1 ]]; then
    _devboot_use "${@:1:_devboot_at-1}" "${@:_devboot_at+1}"
    \builtin return
  fi
  \builtin command devboot "$@" || _devboot_failed=$?
  # What was just trusted, or is no longer, counts from the next prompt on.
  case " $* " in *' trust '* | *' --trust '*) _devboot_project='' _devboot_pwd='' ;; esac
  \builtin return "$_devboot_failed"
}

function _devboot_use {
  \builtin local _devboot_text _devboot_failed=0 _devboot_traced='' _devboot_names='' _devboot_fixed=''
  # What is carried out may hold credentials, and a trace would show them.
  { case $- in *x*) _devboot_traced+=x && \builtin set +x ;; esac; } 2>/dev/null
  case $- in *v*) _devboot_traced+=v && \builtin set +v ;; esac
  _devboot_look
  _devboot_text=$(\builtin command devboot use --emit=bash --previous="${_devboot_previous-}" --auto="${_devboot_auto-}" \
    --before="${_devboot_before-}" --kept="$_devboot_names" --fixed="$_devboot_fixed" "$@") || _devboot_failed=$?
  if [[ $_devboot_text == '# devboot use 1'$'\n'* ]]; then
    \builtin eval "$_devboot_text" || _devboot_failed=1
  elif [[ -n $_devboot_text ]]; then
    \builtin printf '%s\n' "$_devboot_text"
  fi
  case $_devboot_traced in *v*) \builtin set -v ;; esac
  case $_devboot_traced in *x*) \builtin set -x ;; esac
  \builtin return "$_devboot_failed"
}

# The names of what is kept, and of what is read-only: with one of these nothing is begun.
function _devboot_look {
  \builtin local _devboot_line
  if ((${#_devboot_kept[@]} > 0)); then \builtin printf -v _devboot_names '%s ' "${_devboot_kept[@]}"; fi
  while IFS= \builtin read -r _devboot_line; do
    # Both ways in which bash writes it; a line of a value that looks the same can only refuse a switch.
    case $_devboot_line in
    'declare -'*) _devboot_line=${_devboot_line#declare -* } ;;
    'readonly '*) _devboot_line=${_devboot_line#readonly } _devboot_line=${_devboot_line#-* } ;;
    *) \builtin continue ;;
    esac
    _devboot_line=${_devboot_line%%=*}
    case $_devboot_line in *[!A-Za-z0-9_]*) ;; *) _devboot_fixed+="$_devboot_line " ;; esac
  done <<<"$(\builtin readonly -p)"
}

# Keeps what variables are, and takes them away. -: it was not there, x: it was exported, s: it was set, d: all else, in bash's
# own words.
function _devboot_keep {
  \builtin local _devboot_name _devboot_was
  for _devboot_name in "$@"; do
    _devboot_was=-
    if \builtin declare -p "$_devboot_name" >/dev/null 2>&1; then
      _devboot_was=$(\builtin declare -p "$_devboot_name")
      case $_devboot_was in
      'declare -x '*=*) _devboot_was=x${!_devboot_name} ;;
      'declare -- '*=*) _devboot_was=s${!_devboot_name} ;;
      *) _devboot_was=d${_devboot_was#declare } ;;
      esac
    fi
    _devboot_kept+=("$_devboot_name")
    _devboot_kept_as+=("$_devboot_was")
    \builtin unset -v "$_devboot_name"
  done
}

function _devboot_back {
  \builtin local _devboot_at _devboot_name _devboot_was
  for ((_devboot_at = 0; _devboot_at < ${#_devboot_kept[@]}; _devboot_at++)); do
    _devboot_name=${_devboot_kept[_devboot_at]} _devboot_was=${_devboot_kept_as[_devboot_at]}
    \builtin unset -v "$_devboot_name"
    case $_devboot_was in
    x*) \builtin export "$_devboot_name=${_devboot_was:1}" ;;
    s*) \builtin printf -v "$_devboot_name" %s "${_devboot_was:1}" ;;
    d*)
      _devboot_was=${_devboot_was:1}
      \builtin declare -g "${_devboot_was%% *}" "$_devboot_name"
      case $_devboot_was in *=*) \builtin eval "${_devboot_was#* }" ;; esac
      ;;
    esac
  done
  _devboot_kept=() _devboot_kept_as=()
}

# A project may name the profile for its directory. The program is asked when another project begins or ends, not before.
function _devboot_here {
  \builtin local _devboot_dir_at="$PWD" _devboot_found=
  _devboot_pwd=$PWD
  while [[ -n $_devboot_dir_at ]]; do
    if [[ -e $_devboot_dir_at/devboot.toml ]]; then
      _devboot_found=$_devboot_dir_at
      break
    fi
    _devboot_dir_at=${_devboot_dir_at%/*}
  done
  if [[ $_devboot_found != "${_devboot_project-}" ]]; then
    _devboot_project=$_devboot_found
    if [[ -n $_devboot_found || -n ${_devboot_auto-} ]]; then _devboot_use --here; fi
  fi
}

# For a prompt: `PS1='${_devboot_segment-}'"$PS1"`. The marks tell readline what takes no room.
function _devboot_prompt {
  _devboot_segment=
  if [[ -z ${DEVBOOT_CLOUD-} ]]; then return 0; fi
  \builtin local _devboot_color=36 _devboot_left=
  if [[ -n ${DEVBOOT_CLOUD_GUARD-} ]]; then _devboot_color=31; fi
  if [[ ${DEVBOOT_CLOUD_UNTIL-x} != *[!0-9]* && -n ${DEVBOOT_CLOUD_UNTIL-} ]]; then
    \builtin printf -v _devboot_left '%(%s)T' -1 2>/dev/null || _devboot_left=0
    _devboot_left=$((DEVBOOT_CLOUD_UNTIL - _devboot_left))
    if ((_devboot_left >= 60)); then
      _devboot_left=" $((_devboot_left / 60))m"
    elif ((_devboot_left > 0)); then
      _devboot_left=" ${_devboot_left}s"
    else
      _devboot_left=' over'
    fi
  fi
  _devboot_segment=$'\001\e['$_devboot_color$'m\002'$DEVBOOT_CLOUD$_devboot_left$'\001\e[0m\002 '
}

if [[ ${_devboot_loaded-} != "$$" ]]; then
  _devboot_kept=() _devboot_kept_as=()
  # It began where a directory had chosen the profile, and leaves it with that directory; `-` is no project.
  if [[ -n ${DEVBOOT_CLOUD_HERE-} ]]; then _devboot_auto=$DEVBOOT_CLOUD_HERE _devboot_project=-; fi
fi
