# Builds the root of one container in a mount namespace of its own: sh container.sh DIRECTORY
#
# The root is a tmpfs, so that mount points can be created anywhere and nothing is left behind. Of
# the host it shows what programs are made of, read-only; no home, no /tmp, no certificates.
set -eu
root=$1/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 sandbox "$root"

# Flags that the host has set must be set again where a user namespace may not drop them.
read_only() { mount -o "remount,bind,ro,nosuid,nodev${2:-}" "$1"; }

point() {
    if [ -d "$1" ]; then
        mkdir -p "$2"
    else
        mkdir -p "${2%/*}"
        [ -e "$2" ] || : >"$2"
    fi
}

# volume SOURCE TARGET rw|data|program
volume() {
    point "$1" "$root$2"
    mount --bind "$1" "$root$2"
    case $3 in
    data) read_only "$root$2" ,noexec ;;
    program) read_only "$root$2" ;;
    esac
}

for path in /bin /sbin /lib /lib32 /lib64 /usr /nix; do
    if [ -L "$path" ]; then
        cp -P "$path" "$root$path"
    elif [ -d "$path" ]; then
        point "$path" "$root$path"
        mount --rbind "$path" "$root$path"
        read_only "$root$path"
    fi
done
for path in /etc/hosts /etc/resolv.conf /etc/nsswitch.conf /etc/passwd /etc/group /etc/ld.so.cache /etc/alternatives; do
    [ ! -e "$path" ] || volume "$path" "$path" data
done
mkdir "$root/dev" "$root/proc"
for path in /dev/null /dev/zero /dev/full /dev/random /dev/urandom; do
    volume "$path" "$path" rw
done
# A host that hides parts of its own /proc grants no new one.
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
