case "${DEVBOOT_DISABLE-}" in 1) return 0 ;; esac
#@dir
# shellcheck source=/dev/null
if [[ -r $_devboot_dir/env.sh ]]; then \. "$_devboot_dir/env.sh"; fi
case $- in *i*) ;; *) return 0 ;; esac
#@generation

# Defines the aliases of _devboot_want. On a reload: leaves those that this shell's user changed or removed,
# and removes those that are gone. _devboot_had is what was set before; both hold `name=body`.
function _devboot_aliases {
  \builtin local pair name
  if ((${#_devboot_had[@]} == 0 || BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 402)); then
    # shellcheck disable=SC2139
    if ((${#_devboot_want[@]} > 0)); then \builtin alias -- "${_devboot_want[@]}"; fi
    return 0
  fi
  \builtin local -A had wanted
  \builtin local -a kept
  had=() wanted=() kept=()
  for pair in "${_devboot_had[@]}"; do had["${pair%%=*}"]=${pair#*=}; done
  for pair in ${_devboot_want[@]+"${_devboot_want[@]}"}; do
    name=${pair%%=*}
    wanted["$name"]=1
    if [[ -n ${had["$name"]+x} && ${BASH_ALIASES["$name"]-} != "${had["$name"]}" ]]; then
      kept+=("$name=${had["$name"]}")
    else
      # shellcheck disable=SC2139
      \builtin alias -- "$pair"
      kept+=("$pair")
    fi
  done
  for name in "${!had[@]}"; do
    if [[ -z ${wanted["$name"]+x} && ${BASH_ALIASES["$name"]-} == "${had["$name"]}" ]]; then
      \builtin unalias -- "$name" 2>/dev/null || :
    fi
  done
  _devboot_want=(${kept[@]+"${kept[@]}"})
}

# At each prompt: one small file is read, and when its line is another one, this file is read again.
function _devboot_hook {
  \builtin local _devboot_status=$? _devboot_now=
  if [[ ${DEVBOOT_DISABLE-} != 1 && -r $_devboot_dir/generation ]]; then
    IFS= \builtin read -r _devboot_now 2>/dev/null <"$_devboot_dir/generation" || :
    if [[ -n $_devboot_now && $_devboot_now != "$_devboot_generation" && -r $_devboot_dir/shell.bash ]]; then
      # shellcheck source=/dev/null
      \. "$_devboot_dir/shell.bash" || :
      _devboot_generation=$_devboot_now
    fi
  fi
  if [[ ${DEVBOOT_DISABLE-} != 1 ]]; then
    if [[ ${_devboot_pwd-} != "$PWD" ]]; then _devboot_here; fi
    _devboot_prompt
  fi
  \builtin return "$_devboot_status"
}

# PROMPT_COMMAND may be a string, an array (bash 5.1), unset, read-only or exported by someone else. A newline
# parts two commands whatever the first ends in; `printf -v` fails softly on a read-only variable; and a
# child that inherits the text without the function runs `:`.
function _devboot_install {
  # shellcheck disable=SC2016
  \builtin local text='"${_devboot_hook-:}"'
  \builtin local -a at
  case "${PROMPT_COMMAND[*]-}" in *_devboot_hook*) return 0 ;; esac
  at=("${!PROMPT_COMMAND[@]}")
  if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) && ((${#at[@]} > 1 || ${at[0]-0} > 0)); then
    \builtin printf -v "PROMPT_COMMAND[$((${at[${#at[@]} - 1]} + 1))]" %s "$text" 2>/dev/null || :
  elif [[ -n ${PROMPT_COMMAND-} ]]; then
    \builtin printf -v PROMPT_COMMAND '%s\n%s' "$PROMPT_COMMAND" "$text" 2>/dev/null || :
  else
    \builtin printf -v PROMPT_COMMAND %s "$text" 2>/dev/null || :
  fi
}

#@use

function _devboot_complete { #@completion
  \builtin complete -r devboot 2>/dev/null || : #@completion
  # shellcheck source=/dev/null #@completion
  [[ -r $_devboot_dir/completions/devboot.bash ]] && \. "$_devboot_dir/completions/devboot.bash" && return 124 #@completion
} #@completion

# shellcheck source=/dev/null #@early
if [[ ${_devboot_loaded-} != "$$" && -r $_devboot_dir/early.bash ]]; then \. "$_devboot_dir/early.bash" || :; fi #@early
# Aliases are expanded when a function is read: off, so that a reload reads the same as the first time. #@functions
_devboot_expand=-u #@functions
if \builtin shopt -q expand_aliases; then _devboot_expand=-s; fi #@functions
\builtin shopt -u expand_aliases #@functions
#@functions
\builtin shopt "$_devboot_expand" expand_aliases #@functions
_devboot_had=(${_devboot_want[@]+"${_devboot_want[@]}"})
#@aliases
_devboot_aliases
if [[ ${_devboot_loaded-} != "$$" ]]; then \builtin complete -F _devboot_complete devboot; fi #@completion
# shellcheck source=/dev/null #@late
if [[ ${_devboot_loaded-} != "$$" && -r $_devboot_dir/late.bash ]]; then \. "$_devboot_dir/late.bash" || :; fi #@late
# shellcheck disable=SC2034
_devboot_hook=_devboot_hook
# Inside the hook it is installed, even if another tool keeps the text elsewhere.
if [[ -z ${_devboot_now-} ]]; then _devboot_install; fi
_devboot_loaded=$$
