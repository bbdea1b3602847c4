# From a root file system's tar to a file system in a disk image. Run as root, or under fakeroot:
#   sh assemble.sh FOLDER DISK OFFSET_BYTES SIZE_KIB UUID EPOCH
# Needs FOLDER/rootfs.tar and FOLDER/guest.tar; leaves vmlinuz, initrd.img, releases (of all kernels, the one that is
# booted by itself first), vmlinuz-RELEASE and initrd.img-RELEASE of the others, boot.img, core.img and core.efi in FOLDER.
# In an image with signed boot loaders also shimx64.efi and grubx64.efi.
# shellcheck shell=sh
set -eu
cd "$1"
disk=$2 offset=$3 size_kib=$4 uuid=$5 epoch=$6

mkdir root
tar -x -f rootfs.tar -C root --numeric-owner
rm rootfs.tar
# Once more: mmdebstrap has emptied or replaced some of them (machine-id, resolv.conf).
tar -x -f guest.tar -C root --numeric-owner

# fakeroot makes a file readable for its real owner when chmod is called, but tar has created it without.
find root -type f ! -perm -u=r -exec sh -c 'for file; do chmod --reference="$file" "$file"; done' sh {} +

kernel=$(readlink -f root/vmlinuz)
initrd=$(readlink -f root/initrd.img)
printf '%s\n' "${kernel##*/vmlinuz-}" >releases
cp "root/boot/${kernel##*/}" vmlinuz
cp "root/boot/${initrd##*/}" initrd.img
for other in root/boot/vmlinuz-*; do
    release=${other##*/vmlinuz-}
    [ "${other##*/}" != "${kernel##*/}" ] || continue
    printf '%s\n' "$release" >>releases
    cp "$other" "vmlinuz-$release"
    cp "root/boot/initrd.img-$release" .
done
cp root/usr/lib/grub/i386-pc/boot.img root/boot/grub/i386-pc/core.img .
cp root/boot/grub/x86_64-efi/core.efi .
# Where the image has them: the boot loaders that firmware starts under secure boot, the first the second.
for signed in shim/shimx64.efi grub/x86_64-efi-signed/grubx64.efi; do
    [ ! -e "root/usr/lib/$signed.signed" ] || cp "root/usr/lib/$signed.signed" "${signed##*/}"
done

# systemd runs a handful of update services on the first boot after /usr changed, which would make that boot
# another kind of boot than the rest (systemd-update-done.service(8)).
: >root/etc/.updated
: >root/var/.updated
find root -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
touch --date="@$((epoch - 1))" root/usr

# Without what the e2fsprogs and GRUB of older releases do not know.
mke2fs -q -F -t ext4 -O ^orphan_file,^metadata_csum_seed -b 4096 -m 1 -L kexec-root -U "$uuid" -d root \
    -E "offset=$offset,hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0" "$disk" "${size_kib}k"
rm -rf root guest.tar
