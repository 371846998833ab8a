package index

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// knownOS and knownArch are the names that Go knows (go/src/internal/syslist).
func knownOS() []string {
	return []string{
		"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl",
		"netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
	}
}

func knownArch() []string {
	return []string{
		"386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle", "mips64",
		"mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x",
		"sparc", "sparc64", "wasm",
	}
}

// IsKnownOS reports whether s is the name of an operating system.
func IsKnownOS(s string) bool {
	return slices.Contains(knownOS(), NormalizePlatform(v1.Platform{OS: s}).OS)
}

// archAlias returns what other systems' name of an architecture means, as
// architecture and variant: uname's, Debian's and those of Docker's official
// images (https://github.com/docker-library/official-images#architectures-other-than-amd64).
func archAlias(arch string) (name, variant string) {
	switch arch {
	case "x86_64", "x86-64", "x64":
		return "amd64", ""
	case "i386", "i486", "i586", "i686", "x86":
		return "386", ""
	case "aarch64":
		return "arm64", ""
	case "arm64v8":
		return "arm64", "v8"
	case "arm32v5", "arm32v6", "arm32v7":
		return "arm", strings.TrimPrefix(arch, "arm32")
	case "armhf":
		return "arm", "v7"
	case "armel":
		return "arm", "v6"
	case "ppc64el":
		return "ppc64le", ""
	case "mipsel":
		return "mipsle", ""
	case "mips64el":
		return "mips64le", ""
	}
	return arch, ""
}

// NormalizePlatform returns p with the names that image indexes use in place of
// other names of the same things: "x86_64" becomes amd64, "arm64v8" arm64 with
// the variant v8, "macOS" darwin, the variant "8" of arm64 v8. Unknown names
// stay. The features are copied and keep their order.
func NormalizePlatform(p v1.Platform) v1.Platform {
	p.OS = strings.ToLower(p.OS)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	arch, variant := archAlias(strings.ToLower(p.Architecture))
	p.Architecture = arch
	p.Variant = strings.ToLower(p.Variant)
	if p.Variant == "" {
		p.Variant = variant
	}
	if arch == "arm" && slices.Contains([]string{"5", "6", "7", "8"}, p.Variant) ||
		arch == "arm64" && slices.Contains([]string{"8", "9", "9.0"}, p.Variant) {
		p.Variant = "v" + p.Variant
	}
	p.OSFeatures, p.Features = slices.Clone(p.OSFeatures), slices.Clone(p.Features)
	return p
}

// platformKey returns a text that is the same for platforms that SamePlatform
// takes for the same.
func platformKey(p v1.Platform) string {
	// These three names decide the variant, whatever stands there.
	switch strings.ToLower(p.Architecture) {
	case "i386", "armhf", "armel":
		p.Variant = ""
	}
	p = NormalizePlatform(p)
	switch p.Architecture + "/" + p.Variant {
	case "arm64/v8", "arm64/v8.0", "amd64/v1":
		p.Variant = ""
	case "arm64/v9.0":
		p.Variant = "v9"
	case "arm/":
		p.Variant = "v7"
	}
	slices.Sort(p.OSFeatures)
	features := strings.Join(slices.Compact(p.OSFeatures), ",")
	return p.OS + "|" + p.Architecture + "|" + p.Variant + "|" + p.OSVersion + "|" + features
}

// SamePlatform reports whether consumers take a and b for the same platform:
// whether github.com/containerd/platforms v1.0.0-rc.5 normalises them to the
// same, with arm64 as arm64/v8, amd64 as amd64/v1 and arm as arm/v7. It also
// holds for the names that only [NormalizePlatform] knows. The operating
// system's version and features must be the same, features in any order.
func SamePlatform(a, b v1.Platform) bool { return platformKey(a) == platformKey(b) }

// platformOf returns what is the same for entries of one platform, "" for an
// attestation and for an entry of which no platform is known.
func platformOf(e Entry) string {
	if e.IsAttestation() || !e.HasPlatform() {
		return ""
	}
	return platformKey(*e.Platform)
}

// ParsePlatform reads OS/ARCH[/VARIANT][:OSVERSION] and returns it normalised.
// Names that are not known are an error that offers known ones.
func ParsePlatform(s string) (v1.Platform, error) {
	names, version, versioned := strings.Cut(s, ":")
	parts := strings.Split(names, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") || versioned && version == "" {
		return v1.Platform{}, Faultf(ErrUsage, fmt.Sprintf("platform %q", s), "want OS/ARCH[/VARIANT][:OSVERSION], as in linux/arm64")
	}
	p := v1.Platform{OS: parts[0], Architecture: parts[1], OSVersion: version}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	p = NormalizePlatform(p)
	if err := CheckPlatformNames(p); err != nil {
		return v1.Platform{}, err
	}
	return p, nil
}

// FormatPlatform returns the text that [ParsePlatform] reads; a missing
// operating system or architecture shows as "?", a platform without both as "".
func FormatPlatform(p v1.Platform) string {
	if p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := orQuestion(p.OS) + "/" + orQuestion(p.Architecture)
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += ":" + p.OSVersion
	}
	return s
}

func orQuestion(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// CheckPlatformNames returns an error of the kind ErrUsage if the operating
// system or the architecture is not known or a field has characters that no
// consumer accepts. Empty fields are fine.
func CheckPlatformNames(p v1.Platform) error {
	for _, field := range []struct{ what, value string }{
		{"operating system", p.OS}, {"architecture", p.Architecture}, {"variant", p.Variant}, {"os.version", p.OSVersion},
	} {
		if !plainName(field.value) {
			return Faultf(ErrUsage, fmt.Sprintf("%s %q", field.what, field.value),
				"has characters other than letters, digits, '.', '_' and '-'")
		}
	}
	if message := unknownNames(p); message != "" {
		return &Fault{Kind: ErrUsage, Cause: errors.New(message)}
	}
	return nil
}

// plainName reports whether s has letters, digits, '.', '_' and '-' only.
func plainName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", r)
	})
}

// unknownNames says which names of p are not known, and which ones are near;
// "" where all are known or empty.
func unknownNames(p v1.Platform) string {
	var messages []string
	normal := NormalizePlatform(p)
	if p.OS != "" && !slices.Contains(knownOS(), p.OS) {
		near := didYouMean(p.OS, normal.OS, knownOS())
		messages = append(messages, fmt.Sprintf("unknown operating system %.64q%s", p.OS, near))
	}
	if p.Architecture != "" && !slices.Contains(knownArch(), p.Architecture) {
		near := didYouMean(p.Architecture, normal.Architecture, knownArch())
		if arch, variant := archAlias(strings.ToLower(p.Architecture)); variant != "" {
			near = fmt.Sprintf(", did you mean %s/%s?", arch, variant)
		}
		messages = append(messages, fmt.Sprintf("unknown architecture %.64q%s", p.Architecture, near))
	}
	return strings.Join(messages, "; ")
}

// knownNames sets the names of p that are not known to those that were meant;
// it sets nothing where that is not clear.
func knownNames(p v1.Platform) PlatformPatch {
	normal := NormalizePlatform(p)
	var patch PlatformPatch
	for _, field := range []struct {
		set          **string
		name, normal string
		known        []string
	}{
		{&patch.OS, p.OS, normal.OS, knownOS()}, {&patch.Architecture, p.Architecture, normal.Architecture, knownArch()},
	} {
		if field.name == "" || slices.Contains(field.known, field.name) {
			continue
		}
		near := nearNames(field.name, field.normal, field.known)
		if len(near) != 1 {
			return PlatformPatch{}
		}
		*field.set = &near[0]
	}
	if _, variant := archAlias(strings.ToLower(p.Architecture)); variant != "" && p.Variant == "" {
		patch.Variant = &variant
	}
	return patch
}

// didYouMean offers the names that s may have been meant to be.
func didYouMean(s, normal string, known []string) string {
	near := nearNames(s, normal, known)
	if len(near) == 0 {
		return ""
	}
	return ", did you mean " + strings.Join(near, " or ") + "?"
}

// longestName is about how many letters names of platforms have at most.
const longestName = 16

// nearNames returns the normal name of s where it is known, else the known
// names that are at most two changes of a letter away, the nearest ones only.
func nearNames(s, normal string, known []string) []string {
	if slices.Contains(known, normal) {
		return []string{normal}
	}
	if len(s) > 2*longestName {
		return nil
	}
	best, near := 3, []string(nil)
	for _, k := range known {
		switch d := distance(s, k); {
		case d < best:
			best, near = d, []string{k}
		case d == best && d < 3:
			near = append(near, k)
		}
	}
	// Half of the letters changed is another word.
	if len(near) == 0 || 2*best >= len(s) {
		return nil
	}
	return near
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour that turns a into b.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// ConfigPlatform returns the platform that an image's config gives, normalised;
// nil where the config has neither operating system nor architecture.
func ConfigPlatform(config *v1.ConfigFile) *v1.Platform {
	if config == nil || config.OS == "" && config.Architecture == "" {
		return nil
	}
	p := NormalizePlatform(v1.Platform{
		OS: config.OS, Architecture: config.Architecture, Variant: config.Variant,
		OSVersion: config.OSVersion, OSFeatures: config.OSFeatures,
	})
	return &p
}
