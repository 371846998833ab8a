package commands

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// parseAnnotations reads KEY=VALUE texts.
func parseAnnotations(texts []string) (map[string]string, error) {
	var annotations map[string]string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, index.Faultf(index.ErrUsage, fmt.Sprintf("annotation %q", text), "want KEY=VALUE")
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		if old, twice := annotations[key]; twice && old != value {
			return nil, index.Faultf(index.ErrUsage, fmt.Sprintf("annotation %q", key), "it is given twice: %q and %q", old, value)
		}
		annotations[key] = value
	}
	return annotations, nil
}

// addSelection adds the flags that say which images of sources are taken.
func addSelection(cmd *cobra.Command, s *client.Selection) {
	flags := cmd.Flags()
	flags.StringArrayVar(&s.Platforms, "platform", nil, "Take the images for this `PLATFORM` only, and their attestations (repeatable)")
	flags.BoolVar(&s.Nested, "nested", false, "Keep a source that is a list as one entry that refers to it")
	flags.Var((*always)(&s.All), "all", "Take every image of a source that is a list, also of the lists in it, even where it is the only source")
	flags.Lookup("all").NoOptDefVal = "true"
	addPreserve(cmd, &s.PreserveDigests)
	completeValues(cmd, "platform", commonPlatforms()...)
}

// commonPlatforms are offered where a platform is to be typed.
func commonPlatforms() []string {
	return []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"}
}

// referrersUsage is the help of --with-referrers.
const referrersUsage = "Copy what refers to the images, too: signatures, SBOMs, attestations"

func addPreserve(cmd *cobra.Command, preserve *bool) {
	cmd.Flags().BoolVar(preserve, "preserve-digests", false, "Never convert an image to the format of the list")
}

// platformFlags are the fields of a platform as flags.
type platformFlags struct {
	os, arch, variant, osVersion string
	osFeatures                   []string
}

func (p *platformFlags) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.os, "os", "", "Operating system `OS`, as in linux or windows")
	flags.StringVar(&p.arch, "arch", "", "Architecture `ARCH`, as in amd64 or arm64; other names of the same are understood (x86_64, arm64v8)")
	flags.StringVar(&p.variant, "variant", "", "`VARIANT` of the architecture, as in v7")
	flags.StringVar(&p.osVersion, "os-version", "", "`VERSION` of the operating system, as in 10.0.20348.2227")
	flags.StringSliceVar(&p.osFeatures, "os-features", nil, "`FEATURES` of the operating system, separated by commas")
}

// patch returns the fields whose flags were given, to "" too.
func (p *platformFlags) patch(cmd *cobra.Command) index.PlatformPatch {
	var patch index.PlatformPatch
	for flag, set := range map[string]func(){
		"os":          func() { patch.OS = &p.os },
		"arch":        func() { patch.Architecture = &p.arch },
		"variant":     func() { patch.Variant = &p.variant },
		"os-version":  func() { patch.OSVersion = &p.osVersion },
		"os-features": func() { patch.OSFeatures = &p.osFeatures },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	return patch
}

// exclusive refuses more than one of the given flags.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) < 2 {
		return nil
	}
	return index.Faultf(index.ErrUsage, "", "%s contradict each other; give one of them", strings.Join(given, " and "))
}

// always is the value of a flag that says what mostly holds anyhow (RFC 0124 has
// it): to say no to it is refused, not ignored.
type always bool

// Set implements pflag.Value.
func (a *always) Set(text string) error {
	if on, err := strconv.ParseBool(text); err != nil || !on {
		return errors.New("every image is taken unless --platform or --nested says otherwise")
	}
	*a = true
	return nil
}

// String implements pflag.Value.
func (a *always) String() string { return strconv.FormatBool(bool(*a)) }

// Type implements pflag.Value.
func (*always) Type() string { return "bool" }
