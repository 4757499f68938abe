case "${DEVBOOT_DISABLE-}" in 1) return 0 ;; esac
#@dir
if [[ -r "$_devboot_dir/env.sh" ]]; then \builtin . "$_devboot_dir/env.sh"; fi
if [[ ! -o interactive ]]; then return 0; fi
#@generation

# Defines the aliases of _devboot_want. On a reload: leaves those that this shell's user changed or removed,
# and removes those that are gone. _devboot_had is what was set before; both hold `name=body`.
function _devboot_aliases {
  \builtin emulate -L zsh
  \builtin local pair name
  \builtin local -A had wanted
  \builtin local -a kept
  if (( $#_devboot_had == 0 )); then
    if (( $#_devboot_want )); then \builtin alias -- "${_devboot_want[@]}"; fi
    return 0
  fi
  for pair in "${_devboot_had[@]}"; do had[${pair%%=*}]=${pair#*=}; done
  for pair in "${_devboot_want[@]}"; do
    name=${pair%%=*}
    wanted[$name]=1
    if (( ${+had[$name]} )) && [[ "${aliases[$name]-}" != "${had[$name]}" ]]; then
      kept+=("$name=${had[$name]}")
    else
      \builtin alias -- "$pair"
      kept+=("$pair")
    fi
  done
  for pair in "${_devboot_had[@]}"; do
    name=${pair%%=*}
    if (( ! ${+wanted[$name]} )) && [[ "${aliases[$name]-}" == "${had[$name]}" ]]; then
      \builtin unalias -- "$name" 2>/dev/null || :
    fi
  done
  _devboot_want=("${kept[@]}")
}

# At each prompt: one small file is read, and when its line is another one, this file is read again.
function _devboot_hook {
  \builtin local _devboot_status=$? _devboot_now=
  if [[ "${DEVBOOT_DISABLE-}" != 1 && -r "$_devboot_dir/generation" ]]; then
    IFS= \builtin read -r _devboot_now 2>/dev/null <"$_devboot_dir/generation" || :
    if [[ -n "$_devboot_now" && "$_devboot_now" != "$_devboot_generation" && -r "$_devboot_dir/shell.zsh" ]]; then
      \builtin . "$_devboot_dir/shell.zsh" || :
      _devboot_generation="$_devboot_now"
    fi
  fi
  if [[ "${DEVBOOT_DISABLE-}" != 1 ]]; then
    if [[ "${_devboot_pwd-}" != "$PWD" ]]; then _devboot_here; fi
    _devboot_prompt
  fi
  \builtin return $_devboot_status
}

# precmd_functions is an ordinary array that everyone appends to.
function _devboot_install {
  \builtin emulate -L zsh
  \builtin typeset -ga precmd_functions
  if (( ! ${precmd_functions[(Ie)_devboot_hook]} )); then precmd_functions+=(_devboot_hook); fi
}

#@use

function _devboot_complete { #@completion
  \builtin emulate -L zsh #@completion
  if (( ! ${fpath[(Ie)$_devboot_dir/completions]} )); then fpath=("$_devboot_dir/completions" "${fpath[@]}"); fi #@completion
  # Without compinit there is no completion; a later compinit finds the folder on fpath. #@completion
  if (( ${+functions[compdef]} )); then \builtin autoload -Uz _devboot; \compdef _devboot devboot; fi #@completion
} #@completion

if [[ "${_devboot_loaded-}" != "$$" && -r "$_devboot_dir/early.zsh" ]]; then \builtin . "$_devboot_dir/early.zsh" || :; fi #@early
# Aliases are expanded when a function is read: off, so that a reload reads the same as the first time. #@functions
_devboot_expand=noaliases #@functions
if [[ -o aliases ]]; then _devboot_expand=aliases; fi #@functions
\builtin setopt noaliases #@functions
#@functions
\builtin setopt $_devboot_expand #@functions
_devboot_had=()
if [[ -n "${_devboot_want+x}" ]]; then _devboot_had=("${_devboot_want[@]}"); fi
#@aliases
_devboot_aliases
if [[ "${_devboot_loaded-}" != "$$" ]]; then _devboot_complete; fi #@completion
if [[ "${_devboot_loaded-}" != "$$" && -r "$_devboot_dir/late.zsh" ]]; then \builtin . "$_devboot_dir/late.zsh" || :; fi #@late
_devboot_install
_devboot_loaded=$$
