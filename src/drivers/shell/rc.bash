# Callboard's start file of an interactive bash (see src/drivers/shell.rs).
#
# Marks are OSC 133 sequences with a word that only this shell and the server know. A program that
# the shell runs does not get that word: it is in no variable of the environment and on no command
# line, and this file is removed once it is read. A message itself is evaluated by this shell and
# could look it up; the mark tells programs from the shell, it does not guard the shell from its
# own user.
\builtin command rm -f -- @RC@ 2>/dev/null
\builtin unset HISTFILE MAILCHECK TMOUT
HISTCONTROL=ignorespace
PS0='' PS1='\w\$ ' PS2='> '
__cb_src='' __cb_task='' __cb_ran='' __cb_status=0
{ \builtin bind 'set enable-bracketed-paste off'; \builtin bind 'set bell-style none'; } 2>/dev/null

# To the terminal itself: a message may have redirected the shell's own streams.
__cb_mark() {
  \builtin printf '\e]133;%s\a' "$1" 2>/dev/null >/dev/tty || \builtin printf '\e]133;%s\a' "$1"
} 2>/dev/null

# Takes the file of a task; the caller evaluates what it leaves in __cb_src. The status of the last
# command is kept for __cb_go.
__cb() {
  __cb_status=$?
  { \builtin local -; \builtin set +euxvC; } 2>/dev/null
  __cb_task=$1 __cb_ran=''
  IFS= \builtin read -r -d '' __cb_src <@DIR@"/task-$1.sh" || :
  [[ -n $__cb_src ]] || __cb_src=__cb_lost
  __cb_mark "C;@NONCE@;$1"
  return 0
} 2>/dev/null

# The first word of every task: the whole task was parsed. Gives `$?` of the task before.
__cb_go() {
  __cb_ran=1
  return "$__cb_status"
} 2>/dev/null

__cb_lost() {
  \builtin echo "the file of the task cannot be read" >&2
  return 127
}

# Before each prompt. The mark of the prompt comes first, so that nothing follows the end mark.
__cb_prompt() {
  \builtin local __cb_ended="$?"
  { \builtin local -; \builtin set +euxvC; } 2>/dev/null
  __cb_mark 'A;@NONCE@'
  if [[ -n $__cb_task ]]; then
    __cb_mark "D;$__cb_ended;@NONCE@;$__cb_task;$__cb_ran"
  fi
  __cb_src='' __cb_task='' __cb_ran=''
  return 0
} 2>/dev/null

\builtin readonly -f __cb_mark __cb __cb_go __cb_lost __cb_prompt
PROMPT_COMMAND=__cb_prompt
