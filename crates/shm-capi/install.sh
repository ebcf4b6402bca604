#!/bin/sh
# Installs libshmap for C and C++: libraries, headers, shmap.pc.
#
#   crates/shm-capi/install.sh [--prefix DIR] [--libdir DIR] [--destdir DIR] [--from DIR]
#
# --prefix  where programs will look: /usr/local
# --libdir  where the libraries go: PREFIX/lib
# --destdir put before both while copying; for packages
# --from    where cargo left the libraries: target/release of this workspace
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=/usr/local libdir= destdir= from=${CARGO_TARGET_DIR:-$here/../../target}/release
while [ $# -gt 0 ]; do
    case $1 in --*=*)
        option=${1%%=*} value=${1#*=}
        shift
        set -- "$option" "$value" "$@"
        ;;
    esac
    case $1 in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
    [ $# -ge 2 ] || { echo "install.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
    --prefix) prefix=$2 ;;
    --libdir) libdir=$2 ;;
    --destdir) destdir=$2 ;;
    --from) from=$2 ;;
    *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
libdir=${libdir:-$prefix/lib}
# shmap.pc is read from anywhere.
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
case $libdir in /*) ;; *) libdir=$PWD/$libdir ;; esac
for library in libshmap.so libshmap.a; do
    [ -f "$from/$library" ] || {
        echo "install.sh: $from/$library is missing; run:" >&2
        echo "  cargo rustc --release -p shm-capi --lib --crate-type cdylib,staticlib" >&2
        exit 1
    }
done
number() { sed -n "s/^#define SHMAP_VERSION_$1 //p" "$here/include/shmap.h"; }
version=$(number MAJOR).$(number MINOR).$(number PATCH)

mkdir -p "$destdir$prefix/include" "$destdir$libdir/pkgconfig"
for header in shmap.h shmap.hpp improved_status.h; do
    install -m 644 "$here/include/$header" "$destdir$prefix/include/"
done
install -m 755 "$from/libshmap.so" "$destdir$libdir/libshmap.so.$version"
# Programs record libshmap.so.0, the name that build.rs gives; linkers look for libshmap.so.
ln -sf "libshmap.so.$version" "$destdir$libdir/libshmap.so.0"
ln -sf libshmap.so.0 "$destdir$libdir/libshmap.so"
install -m 644 "$from/libshmap.a" "$destdir$libdir/"
sed -e "s|@prefix@|$prefix|" -e "s|@libdir@|$libdir|" -e "s|@version@|$version|" \
    "$here/shmap.pc.in" > "$destdir$libdir/pkgconfig/shmap.pc"
echo "libshmap $version is in $destdir$libdir, its headers are in $destdir$prefix/include"
[ -n "$destdir" ] || echo "programs find it after ldconfig, if that looks there, or with LD_LIBRARY_PATH=$libdir"
