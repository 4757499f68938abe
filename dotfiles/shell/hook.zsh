case "${DEVBOOT_DISABLE-}" in 1) return 0 ;; esac
#@dir
if [[ -r "$_devboot_dir/env.sh" ]]; then \builtin . "$_devboot_dir/env.sh"; fi
if [[ ! -o interactive ]]; then return 0; fi
#@generation

# Defines the aliases of _devboot_want. On a reload: leaves those that this shell's user changed or removed,
# and removes those that are gone. _devboot_had holds what was set before, as name and body by turns.
function _devboot_aliases {
  \builtin emulate -L zsh
  \builtin local name body
  \builtin local -A had wanted
  \builtin local -a kept
  had=("${_devboot_had[@]}")
  for name body in "${_devboot_want[@]}"; do
    wanted[$name]=1
    if (( ${+had[$name]} )) && [[ "${aliases[$name]-}" != "${had[$name]}" ]]; then
      kept+=("$name" "${had[$name]}")
    else
      \builtin alias -- "$name=$body"
      kept+=("$name" "$body")
    fi
  done
  for name body in "${_devboot_had[@]}"; do
    if (( ! ${+wanted[$name]} )) && [[ "${aliases[$name]-}" == "$body" ]]; then
      \builtin unalias -- "$name" 2>/dev/null || :
    fi
  done
  _devboot_had=("${kept[@]}")
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
  \builtin return $_devboot_status
}

# precmd_functions is an ordinary array that everyone appends to.
function _devboot_install {
  \builtin emulate -L zsh
  \builtin typeset -ga precmd_functions
  if (( ! ${precmd_functions[(Ie)_devboot_hook]} )); then precmd_functions+=(_devboot_hook); fi
}

function _devboot_complete { #@completion
  \builtin emulate -L zsh #@completion
  if (( ! ${fpath[(Ie)$_devboot_dir/completions]} )); then fpath=("$_devboot_dir/completions" "${fpath[@]}"); fi #@completion
  # Without compinit there is no completion; a later compinit finds the folder on fpath. #@completion
  if (( ${+functions[compdef]} )); then \builtin autoload -Uz _devboot; compdef _devboot devboot; fi #@completion
} #@completion

if [[ "${_devboot_loaded-}" != "$$" && -r "$_devboot_dir/early.zsh" ]]; then \builtin . "$_devboot_dir/early.zsh" || :; fi #@early
# Aliases are expanded when a function is read: off, so that a reload reads the same as the first time. #@functions
_devboot_expand=noaliases #@functions
if [[ -o aliases ]]; then _devboot_expand=aliases; fi #@functions
\builtin setopt noaliases #@functions
#@functions
\builtin setopt $_devboot_expand #@functions
#@aliases
if [[ -z "${_devboot_had+x}" ]]; then _devboot_had=(); fi
_devboot_aliases
if [[ "${_devboot_loaded-}" != "$$" ]]; then _devboot_complete; fi #@completion
if [[ "${_devboot_loaded-}" != "$$" && -r "$_devboot_dir/late.zsh" ]]; then \builtin . "$_devboot_dir/late.zsh" || :; fi #@late
_devboot_install
_devboot_loaded=$$
