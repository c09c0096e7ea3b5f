# Runs one container: sh supervise.sh DIRECTORY
#
# Standard input is a pipe that the sandbox holds. A line on it sends a signal; its end, which the
# kernel brings about whatever ends the sandbox, kills this whole process group and so the container.
exec 3<&0 4>&1 </dev/null >/dev/null 2>&1
(
    while read -r signal process <&3; do kill -s "$signal" "$process"; done
    kill -s KILL 0
) 4>&- &
watcher=$!

# Without the right to a mount namespace a user namespace grants it.
unshare --mount true || as_root='--user --map-root-user'

# In the foreground, because the shell lets background commands ignore interrupts. With the first
# process of the process namespace all others in it end.
# shellcheck disable=SC2086
unshare ${as_root:-} --mount --pid --fork --kill-child \
    sh "$1/container.sh" "$1" 3<&- >&4 2>&1 4>&-
code=$?
kill -s KILL "$watcher"
exit "$code"
