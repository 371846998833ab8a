//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	openNoWait = syscall.O_NONBLOCK
	canSyncDir = true
)

// syncDirectory syncs a directory. File systems that know no such thing say
// EINVAL (FAT, some network ones) and order their names themselves or not at all.
func syncDirectory(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// tryLock locks by flock(2), which belongs to the open file: it excludes other
// goroutines as well as other processes.
func tryLock(f *os.File) (locked bool, err error) {
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno error
	err = conn.Control(func(fd uintptr) {
		for {
			if errno = syscall.Flock(int(fd), how); !errors.Is(errno, syscall.EINTR) {
				return
			}
		}
	})
	if err == nil && errno != nil {
		err = &fs.PathError{Op: "lock", Path: f.Name(), Err: errno}
	}
	return err
}

// checkOwner refuses a directory that others may change: they could put a list
// there that we publish.
func checkOwner(dir string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); ok && int(stat.Uid) != uid {
		return fmt.Errorf("%s belongs to user %d, not to user %d who runs this: use a directory of your own or give this one away with chown", dir, stat.Uid, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by others (mode %04o): chmod go-w %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// checkParent refuses a directory in which everybody may rename what is not
// theirs. A group may be its user's own, so it is not asked about.
func checkParent(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s can be written by everybody (mode %04o): chmod o-w %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}
