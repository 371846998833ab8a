package store_test

import (
	"flag"
	"os"
	"syscall"
)

// useMemory puts the thousands of small stores that the tests make into memory,
// if there is plenty: a disk that others use as well makes minutes of seconds.
// Benchmarks are about disks, and whoever sets TMPDIR wants it used.
func useMemory() error {
	const memory, plenty = "/dev/shm", 1 << 30
	flag.Parse()
	wanted := os.Getenv("TMPDIR") == "" && flag.Lookup("test.bench").Value.String() == ""
	var at syscall.Statfs_t
	usable := syscall.Statfs(memory, &at) == nil && syscall.Access(memory, 7) == nil
	if wanted && usable && at.Bavail*uint64(at.Bsize) >= plenty {
		return os.Setenv("TMPDIR", memory)
	}
	return nil
}
