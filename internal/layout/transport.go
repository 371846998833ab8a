package layout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The annotations by which a layout names what it has.
const (
	refName        = "org.opencontainers.image.ref.name" // image-spec, annotations.md
	containerdName = "io.containerd.image.name"          // containerd's export
)

// errNoName says that a layout has nothing of the name that was asked for.
var errNoName = errors.New("no such name")

// Transports reads OCI layouts that are named as containers-transports(5)
// names them: oci:DIR[:NAME] and oci-archive:FILE[:NAME]. The zero value is
// ready for use, and safe for concurrent use.
type Transports struct{}

// Resolve returns the images of a layout, in the order of its index.json, with
// lists as what they are, as [Archives.Resolve] does; with a NAME, only what has it as
// org.opencontainers.image.ref.name, as containerd's name, or as digest. Layers
// are read when their blobs are opened; if a file has changed by then, that is
// an ErrConflict.
//
// Errors are of the kinds ErrUsage where ref is not of the form above,
// ErrNotFound where there is no such file, directory or name, and ErrInvalid
// where it is not what it should be, as with [Archives.Resolve].
func (Transports) Resolve(ctx context.Context, ref string) ([]index.Manifest, error) {
	scheme, rest, _ := strings.Cut(ref, ":")
	path, name, isNamed := cutName(rest)
	if path == "" || isNamed && name == "" {
		return nil, index.Faultf(index.ErrUsage, fmt.Sprintf("source %q", ref), "want oci:DIR[:NAME] or oci-archive:FILE[:NAME]")
	}
	switch scheme {
	case "oci":
		return resolveDirectory(ctx, path, name)
	case "oci-archive":
		return resolveArchive(ctx, path, name)
	}
	return nil, index.Faultf(index.ErrUsage, fmt.Sprintf("source %q", ref), "no layout is named by %q", scheme)
}

// cutName cuts at the first colon, since names have colons more often than
// paths do ("host:5000/bp:1.2", "sha256:..."), but not at that of a drive.
func cutName(rest string) (path, name string, ok bool) {
	drive := 0
	if len(rest) > 2 && rest[1] == ':' && isLetter(rest[0]) && strings.ContainsRune(`/\`, rune(rest[2])) {
		drive = 2
	}
	path, name, ok = strings.Cut(rest[drive:], ":")
	return rest[:drive] + path, name, ok
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// named returns the entries of index.json that have the name.
func named(entries []index.Entry, name string) ([]index.Entry, error) {
	var found []index.Entry
	names := map[string]bool{}
	for _, e := range entries {
		own := []string{e.Annotations[refName], e.Annotations[containerdName], e.Digest.String()}
		if slices.Contains(own, name) {
			found = append(found, e)
		}
		names[own[0]] = true
	}
	if len(found) > 0 {
		return found, nil
	}
	delete(names, "")
	if len(names) == 0 {
		return nil, fmt.Errorf("%w %q: nothing in it has one", errNoName, name)
	}
	const shown = 10
	some := slices.Sorted(maps.Keys(names))
	return nil, fmt.Errorf("%w %q: it has %q", errNoName, name, some[:min(len(some), shown)])
}
