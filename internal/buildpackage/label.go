package buildpackage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The labels. lifecycle has constants for some of them in its package platform,
// which imports a good part of lifecycle; pack's are spread over internal
// packages.
const (
	labelMetadata        = "io.buildpacks.buildpackage.metadata"
	labelLayers          = "io.buildpacks.buildpack.layers"
	labelExtensionLayers = "io.buildpacks.extension.layers"
	labelBuilder         = "io.buildpacks.builder.metadata"
	labelOrder           = "io.buildpacks.buildpack.order"
	labelOrderExtensions = "io.buildpacks.buildpack.order-extensions"
	labelLifecycle       = "io.buildpacks.lifecycle.metadata"
	labelBuild           = "io.buildpacks.build.metadata"
	labelLifecycleAPIs   = "io.buildpacks.lifecycle.apis"
	labelLifecycleNumber = "io.buildpacks.lifecycle.version"
	labelStackID         = "io.buildpacks.stack.id"
	labelDistroName      = "io.buildpacks.base.distro.name"
	labelDistroVersion   = "io.buildpacks.base.distro.version"
	prefixBase           = "io.buildpacks.base."
)

// decode reads a label into target as pack does, with encoding/json, but
// refuses what another reader could take for something else: members that come
// twice, text that is not UTF-8, more than one value.
func decode(label string, target any) error {
	if len(label) > index.MaxManifest {
		return fmt.Errorf("it has %d bytes, more than %d", len(label), index.MaxManifest)
	}
	if err := checkJSON(label); err != nil {
		return err
	}
	err := json.Unmarshal([]byte(label), target)
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is of the type %s", memberOf(mistyped), mistyped.Value)
	}
	if err != nil {
		return errors.New(printable(err.Error()))
	}
	return nil
}

// memberOf names the member of a wrong type as it is written in the label. What
// is the label itself, or is in a map, has no name, but a place.
func memberOf(err *json.UnmarshalTypeError) string {
	name := strings.ReplaceAll(err.Field, "Ref.", "") // Ref is embedded
	if name == "" {
		return fmt.Sprintf("what is at byte %d", err.Offset)
	}
	return "member " + quoted(name)
}

// checkJSON accepts one JSON value in which no object has a name twice, nor
// the name of a member that this package reads in two spellings, of which
// encoding/json takes the last one. jsontext limits the depth to 10 000.
func checkJSON(label string) error {
	dec := jsontext.NewDecoder(strings.NewReader(label))
	known := knownMembers()
	var seen []uint64 // what each open object has of the known members
	for first := true; first || dec.StackDepth() > 0; first = false {
		token, err := dec.ReadToken()
		if err != nil {
			return jsonFault(err)
		}
		depth := dec.StackDepth()
		for len(seen) < depth {
			seen = append(seen, 0)
		}
		container, length := dec.StackIndex(depth)
		switch {
		case token.Kind() == '{':
			seen[depth-1] = 0
		case container == '{' && length%2 == 1: // the token is a name
			member := known[strings.ToLower(token.String())]
			if seen[depth-1]&member != 0 {
				return fmt.Errorf("member %s comes in two spellings", quoted(token.String()))
			}
			seen[depth-1] |= member
		default: // a value, or the end of one
		}
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}

// knownMembers returns the members that this package reads, in lower case, each
// with a bit of its own.
func knownMembers() map[string]uint64 {
	names := strings.Fields("id version api name homepage description stacks mixins targets os arch variant arch-variant distros" +
		" order group optional layerdiffid buildpacks extensions lifecycle apis buildpack platform supported deprecated" +
		" runimage reference key")
	known := make(map[string]uint64, len(names))
	for i, name := range names {
		known[name] = 1 << i
	}
	return known
}

// jsonFault is an error of the decoder in words that can be shown.
func jsonFault(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends too early")
	}
	return errors.New(printable(strings.TrimPrefix(err.Error(), "jsontext: ")))
}

// maxShown is how many characters of foreign text a message has at most.
const maxShown = 200

// quoted quotes foreign text for a message.
func quoted(s string) string { return fmt.Sprintf("%q", shortened(s)) }

// printable makes foreign text harmless for a message that does not quote it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, shortened(s))
}

func shortened(s string) string {
	count := 0
	for at := range s {
		if count == maxShown {
			return s[:at] + "…"
		}
		count++
	}
	return s
}
