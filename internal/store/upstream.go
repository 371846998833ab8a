package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// place is a directory in which upstream pack may have left lists.
type place struct {
	dk disk
	// ours are the names in it that are never upstream's.
	ours []string
	// shared says that it is the runtime directory, where other programs mount
	// what not even root may enter.
	shared bool
}

// upstream is where upstream's lists may be, the better place first.
type upstream struct {
	places  []place
	runtime disk // to close; nil for none
}

// theirs is a list of upstream's.
type theirs struct {
	place
	dir string
	ix  index.Index
}

// openUpstream looks below the store, if there is one, and in the runtime
// directory, if that is its user's own.
func (d *Dir) openUpstream(dk disk) (upstream, error) {
	var u upstream
	if dk != nil {
		u.places = append(u.places, place{dk: dk, ours: []string{locksDir, tempDir, listsDir}})
	}
	// A relative one is to be ignored
	// (https://specifications.freedesktop.org/basedir-spec/0.8/#variables).
	if !filepath.IsAbs(d.opts.RuntimeDir) {
		return u, nil
	}
	info, err := os.Stat(d.opts.RuntimeDir)
	if err != nil || !info.IsDir() || checkOwner(d.opts.RuntimeDir, info) != nil {
		return u, nil //nolint:nilerr // then it holds no list that anyone should trust
	}
	runtime, err := d.open(d.opts.RuntimeDir)
	if err != nil {
		return upstream{}, err
	}
	u.runtime = runtime
	u.places = append(u.places, place{dk: runtime, shared: true})
	return u, nil
}

func (u upstream) close() error {
	if u.runtime == nil {
		return nil
	}
	return u.runtime.Close()
}

// findUpstream returns upstream's list of that name.
func (d *Dir) findUpstream(dk disk, n index.Name) (ix index.Index, found bool, err error) {
	u, err := d.openUpstream(dk)
	if err != nil {
		return index.Index{}, false, err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	lists, err := u.find(n)
	if err != nil || len(lists) == 0 {
		return index.Index{}, false, err
	}
	return lists[0].ix, true, nil
}

// find returns all lists of upstream's that may be meant by a name.
func (u upstream) find(n index.Name) ([]theirs, error) {
	var lists []theirs
	for _, p := range u.places {
		for _, dir := range theirDirs(n) {
			if slices.Contains(p.ours, dir) {
				continue
			}
			ix, ok, err := p.read(dir)
			if err != nil {
				return nil, err
			}
			if ok {
				lists = append(lists, theirs{p, dir, ix})
			}
		}
	}
	return lists, nil
}

// read reads a directory as a list of upstream's; ok is false where it is none.
// Other programs have directories beside it, so only what looks exactly as
// upstream leaves it counts.
func (p place) read(dir string) (ix index.Index, ok bool, err error) {
	if ok, err := p.looksLikeList(dir); err != nil || !ok {
		return index.Index{}, false, err
	}
	raw, err := readAll(p.dk, path.Join(dir, headFile), index.MaxManifest)
	if err != nil {
		return index.Index{}, false, err
	}
	ix, err = index.Parse(raw)
	return ix, err == nil, nil
}

// looksLikeList asks for the two files, no links, and no blobs, which a layout
// of somebody else would have.
func (p place) looksLikeList(dir string) (bool, error) {
	info, err := p.lstat(dir)
	if err != nil || info == nil || !info.IsDir() {
		return false, err
	}
	for _, file := range []string{layoutFile, headFile} {
		info, err := p.lstat(path.Join(dir, file))
		if err != nil || info == nil || !info.Mode().IsRegular() || info.Size() > index.MaxManifest {
			return false, err
		}
	}
	blobs, err := p.lstat(path.Join(dir, blobsDir))
	return blobs == nil, err
}

// lstat returns no info where there is nothing, or nothing that is ours to see.
func (p place) lstat(file string) (fs.FileInfo, error) {
	info, err := p.dk.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) || p.shared && errors.Is(err, fs.ErrPermission) {
		return nil, nil //nolint:nilnil // there is nothing
	}
	return info, err
}

// remove removes a list of upstream's: its two files, and the directory if
// nothing else is in it. Without its index.json it is no list any more.
func (t theirs) remove() error {
	if err := t.dk.Remove(path.Join(t.dir, headFile)); err != nil {
		return err
	}
	if err := t.dk.SyncDir(t.dir); err != nil {
		return err
	}
	if err := t.dk.Remove(path.Join(t.dir, layoutFile)); err != nil {
		return nil //nolint:nilerr // the list is gone, and what is left is no list
	}
	if err := t.dk.Remove(t.dir); err != nil {
		return nil //nolint:nilerr // as above
	}
	return nil
}

// listUpstream returns names under which upstream's lists are found.
func (d *Dir) listUpstream(dk disk) (names []index.Name, err error) {
	u, err := d.openUpstream(dk)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	for _, p := range u.places {
		more, err := p.names()
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

func (p place) names() ([]index.Name, error) {
	dirs, err := p.dk.List(".")
	if err != nil {
		return nil, err
	}
	var names []index.Name
	for _, dir := range dirs {
		n, ok := guessName(dir)
		if !ok || slices.Contains(p.ours, dir) {
			continue
		}
		// Of one that cannot be read we know that it is there.
		if _, ok, err := p.read(dir); ok || err != nil {
			names = append(names, n)
		}
	}
	return names, nil
}

// nameMax is how long the name of a file can be at most, nearly everywhere.
const nameMax = 255

// theirDirs returns the names of the directories in which upstream keeps a list
// of that name, for every spelling that it may have been given.
func theirDirs(n index.Name) []string {
	var dirs []string
	for _, s := range spellings(n) {
		if dir := safeName(s); len(dir) <= nameMax && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// safeName is upstream's mapping of what was typed to the name of a directory
// (https://github.com/buildpacks/imgutil, MakeFileSafeName).
func safeName(typed string) string {
	return strings.ReplaceAll(strings.ReplaceAll(typed, ":", "-"), "/", "_")
}

// spellings returns the texts that mean a name, the shortest first.
func spellings(n index.Name) []string {
	tag := n.Tag()
	hosts, repos, tags := []string{tag.RegistryStr() + "/"}, []string{tag.RepositoryStr()}, []string{":" + tag.TagStr()}
	if tag.RegistryStr() == name.DefaultRegistry {
		hosts = []string{"", "docker.io/", name.DefaultRegistry + "/"}
		if short, ok := strings.CutPrefix(tag.RepositoryStr(), "library/"); ok {
			repos = []string{short, tag.RepositoryStr()}
		}
	}
	if tag.TagStr() == name.DefaultTag {
		tags = append(tags, "")
	}
	var all []string
	for _, host := range hosts {
		for _, repo := range repos {
			for _, t := range tags {
				if again, err := index.ParseName(host + repo + t); err == nil && again == n {
					all = append(all, host+repo+t)
				}
			}
		}
	}
	return all
}

// guessName returns the likeliest of the names that upstream maps to a
// directory; ok is false where there is none.
func guessName(dir string) (n index.Name, ok bool) {
	for _, typed := range guesses(dir) {
		n, err := index.ParseName(typed)
		if err == nil && safeName(typed) == dir && slices.Contains(theirDirs(n), dir) {
			return n, true
		}
	}
	return index.Name{}, false
}

// guesses undoes upstream's mapping in the ways that are possible, the likeliest
// first: every '_' was a '/'; a number after the first part, if that is a host,
// was its port; and a '-' before something that begins as a version does was the
// ':' before the tag, else the last '-' was, else there was no tag. Failing
// that the '_' were there from the start.
func guesses(dir string) []string {
	var all []string
	for _, repo := range []string{strings.ReplaceAll(dir, "_", "/"), dir} {
		host, rest, ok := strings.Cut(repo, "/")
		if !ok {
			all = append(all, tagged("", repo)...)
			continue
		}
		for _, h := range guessHosts(host) {
			all = append(all, tagged(h+"/", rest)...)
		}
	}
	return all
}

func guessHosts(host string) []string {
	at := strings.LastIndexByte(host, '-')
	if at < 0 || !isNumber(host[at+1:]) {
		return []string{host}
	}
	if base := host[:at]; strings.Contains(base, ".") || base == "localhost" {
		return []string{base + ":" + host[at+1:], host}
	}
	return []string{host}
}

// tagged returns host and rest with each '-' of the last part in turn taken for
// the ':' of a tag.
func tagged(host, rest string) []string {
	from := strings.LastIndexByte(rest, '/') + 1
	var likely, last []string
	for i := from; i < len(rest); i++ {
		if rest[i] != '-' {
			continue
		}
		guess := host + rest[:i] + ":" + rest[i+1:]
		if isVersion(rest[i+1:]) {
			likely = append(likely, guess)
		}
		last = []string{guess}
	}
	return append(append(likely, last...), host+rest)
}

// isVersion reports whether a tag begins as a version does, or is the default.
func isVersion(tag string) bool {
	digits := strings.TrimPrefix(tag, "v")
	return tag == name.DefaultTag || digits != "" && isNumber(digits[:1])
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
