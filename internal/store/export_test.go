package store

// What the tests put in place of parts of the package.
type (
	Disk      = disk
	ReadFile  = readFile
	WriteFile = writeFile
	LockFile  = lockFile
)

// OpenDisk opens a real directory.
func OpenDisk(dir string) (Disk, error) { return openDisk(dir) }

// NewOn returns a store that makes its calls by way of open, one at a time.
func NewOn(o Options, open func(dir string) (Disk, error)) *Dir {
	d := New(o)
	d.open = open
	d.jobs = 1
	return d
}

// What the tests look at from inside.
var (
	KeyOf     = keyOf
	NameOf    = nameOf
	Escape    = escape
	GuessName = guessName
	TheirDirs = theirDirs
	SafeName  = safeName
)

// DigestAs returns the digest of bytes by an algorithm.
var DigestAs = digestAs
