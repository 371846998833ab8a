package layout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// place gives what was written its name, unless something has it, and waits for
// the disk to know it.
func place(temp, dest string) error {
	err := renameNew(temp, dest)
	if errors.Is(err, fs.ErrExist) {
		return &index.Fault{Kind: index.ErrExists, Thing: dest}
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dest))
}

// syncFolders waits for the disk to know all names of a layout.
func syncFolders(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return syncFolder(filepath.Join(root.Name(), name))
	})
}
