package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// DefaultLockTimeout is how long a change waits for another one of the same list
// where Options says nothing.
const DefaultLockTimeout = 30 * time.Second

// A lock is asked for again and again, since the one call that waits cannot be
// interrupted. The longest pause is well below what anybody notices.
const (
	firstPause   = time.Millisecond
	longestPause = 20 * time.Millisecond
)

// holder is what a lock file says about who holds it: for messages only.
type holder struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// lock waits until what has the key is this call's to change; thing is what the
// error calls it. The lock file stays where it is afterwards: whoever waits for
// it has it open, and must not end up with the lock of a file that nobody else
// can see.
func (d *Dir) lock(ctx context.Context, dk disk, key, thing string) (unlock func() error, err error) {
	f, err := dk.OpenLock(path.Join(locksDir, key+".lock"))
	if err != nil {
		return nil, err
	}
	if err := d.wait(ctx, f, thing); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.sign(f)
	return f.Close, nil
}

func (d *Dir) wait(ctx context.Context, f lockFile, thing string) error {
	limit := d.opts.LockTimeout
	if limit <= 0 {
		limit = DefaultLockTimeout
	}
	expired := time.NewTimer(limit)
	defer expired.Stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if locked, err := f.TryLock(); locked || err != nil {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-again.C:
		case <-expired.C:
			again.Stop()
			return index.Faultf(index.ErrConflict, thing, "locked for more than %v by %s", limit, holderOf(f))
		}
		again.Stop()
	}
}

// sign says who holds the lock. Deleting a list on a full disk must work, so a
// note that cannot be written is left out.
func (d *Dir) sign(f lockFile) {
	note, err := json.Marshal(holder{os.Getpid(), d.opts.Command})
	if err != nil {
		return
	}
	if err := f.Note(append(note, '\n')); err != nil {
		return
	}
}

func holderOf(f lockFile) string {
	raw, err := f.Noted()
	if err != nil {
		return "another process"
	}
	var h holder
	if err := json.Unmarshal(raw, &h); err != nil || h.PID <= 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d (%q)", h.PID, h.Command)
}
