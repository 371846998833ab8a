package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// keyMax is the length of the longest key in bytes. File names may have 255 on
// most disks; what is left is for endings.
const keyMax = 200

// hashMark ends the readable part of a key that is a hash. Neither port nor tag
// begins with a '-', so that the escape of a ':' does not end in it either.
const hashMark = "~-"

// keyOf returns the file name that a list is kept under.
//
// It is injective: a key is either the name, reversibly escaped, or for a name
// whose escaped form is too long the first part of it, hashMark, which no escaped
// name has, and the SHA-256 of the name. It holds no letter in upper case, since
// some disks do not tell cases apart and tags do, no separator, and neither
// begins as a Windows device does nor ends in a dot
// (https://learn.microsoft.com/windows/win32/fileio/naming-a-file). Nor does it
// hold a character that cuts paths short where other programs name a layout:
// regctl takes no '=' and oras reads '@' as the beginning of a digest.
func keyOf(n index.Name) string {
	key := escape(n.String())
	if len(key) <= keyMax {
		return key
	}
	sum := hashMark + index.DigestOf([]byte(n.String())).Hex
	return key[:keyMax-len(sum)] + sum
}

// nameOf returns the name that a key was made of; ok is false where the key does
// not tell, or is none.
func nameOf(key string) (n index.Name, ok bool) {
	if isHashed(key) {
		return index.Name{}, false
	}
	text, ok := unescape(key)
	if !ok {
		return index.Name{}, false
	}
	n, err := index.ParseName(text)
	return n, err == nil && keyOf(n) == key
}

// isHashed reports whether the key stands for a name that is too long for it.
func isHashed(key string) bool { return strings.Contains(key, hashMark) }

// escape writes a reference as a file name that is safe everywhere: '/' becomes
// '+', ':' becomes '~~', a letter in upper case '~' and the letter in lower case,
// everything unusual '~' and its code in three digits. After a dot at the end
// comes a '~'.
func escape(name string) string {
	var b strings.Builder
	if isDevice(name) {
		b.WriteByte('_') // no host begins with it
	}
	for i := range len(name) {
		b.WriteString(escapeByte(name[i]))
	}
	if strings.HasSuffix(name, ".") {
		b.WriteByte('~')
	}
	return b.String()
}

func escapeByte(c byte) string {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		return string(rune(c))
	case c == '/':
		return "+"
	case c == ':':
		return "~~"
	case 'A' <= c && c <= 'Z':
		return "~" + strings.ToLower(string(rune(c)))
	}
	return fmt.Sprintf("~%03d", c)
}

// unescape undoes escape. What escape cannot have made gives some text or none,
// so the caller escapes the result again and compares.
func unescape(key string) (name string, ok bool) {
	if strings.HasSuffix(key, ".~") {
		key = strings.TrimSuffix(key, "~")
	}
	key = strings.TrimPrefix(key, "_")
	var b strings.Builder
	for key != "" {
		c, n := unescapeByte(key)
		if n == 0 {
			return "", false
		}
		b.WriteByte(c)
		key = key[n:]
	}
	return b.String(), true
}

// unescapeByte reads the first character of key and tells how many bytes it
// took, none where key begins with no escape of ours.
func unescapeByte(key string) (c byte, n int) {
	switch {
	case key[0] == '+':
		return '/', 1
	case key[0] != '~':
		return key[0], 1
	case strings.HasPrefix(key, "~~"):
		return ':', 2
	case len(key) > 1 && 'a' <= key[1] && key[1] <= 'z':
		return key[1] - 'a' + 'A', 2
	case len(key) < 4:
		return 0, 0
	}
	code, err := strconv.ParseUint(key[1:4], 10, 8)
	if err != nil {
		return 0, 0
	}
	return byte(code), 4
}

// isDevice reports whether Windows takes a file name that begins so for a
// device: what comes before the first dot decides.
func isDevice(name string) bool {
	label, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch label {
	case "con", "prn", "aux", "nul":
		return true
	}
	port := strings.TrimPrefix(strings.TrimPrefix(label, "com"), "lpt")
	return len(label) == 4 && len(port) == 1 && '0' <= port[0] && port[0] <= '9'
}
