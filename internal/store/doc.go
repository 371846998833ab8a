// Package store keeps lists on disk, each as an OCI image layout of its own.
//
//	ROOT/store.json        which versions of this package may read and write here
//	ROOT/locks/KEY.lock    held while a list changes; never removed
//	ROOT/tmp/              content on its way in, deleted lists on their way out
//	ROOT/v1/KEY/           one list: oci-layout, index.json, blobs/
//	ROOT/anything else     a list that upstream pack left, or nothing of ours
//
// A key is the list's name with the characters escaped that a file name cannot
// have everywhere; see key.go. The index.json of a list has one descriptor,
// that of the list, with the list's full name as org.opencontainers.image.ref.name
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md), so
// that other tools read the directory as they read any layout. A second
// annotation names the side blob, where the origins of the entries are.
//
// # What it guarantees
//
// A change is seen whole or not at all, by readers and after a crash or a power
// cut, and once Update or Delete has returned nil it stays. That rests on rename
// being atomic and fsync telling the truth. An Update that fails has changed
// nothing, with one exception: where the very last fsync fails, the new list is
// seen already and a power cut may undo it.
//
// Changes of one list happen one after the other, whatever process makes them.
// Readers take no lock, and write nothing: a store on a read-only disk can be
// read. Content is hashed on its way in and on its way out.
//
// What cannot be read is never taken for what is not there: a list that is
// damaged is an index.ErrCorrupt for Get and Update, which leave its bytes
// alone; List names it and Delete removes it.
//
// # What it does not guarantee
//
// Content in blobs is not read again until somebody reads it: a layer that rots
// on disk is found by whoever opens it. A change of the disk by other programs
// is not noticed unless it breaks a digest. Space of a writer that was killed is
// given back when the next writer comes, not before.
//
// # Upstream's lists
//
// Upstream pack keeps a list as a directory with an index.json that is the list
// itself, under a name in which ':' became '-' and '/' became '_', below
// $PACK_HOME/manifests or directly in $XDG_RUNTIME_DIR. Such lists are found
// under every spelling of a name that upstream may have been given. They are
// read and never changed: the first Update makes a list of ours that hides
// upstream's, and Delete removes both. Upstream's mapping loses information: its
// lists a/b:1 and a_b-1 are one directory, so either name finds it here, and
// deletes it. List shows one of the names, see upstream.go.
package store
