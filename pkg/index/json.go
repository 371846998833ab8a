package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxManifest is the greatest size in bytes of a manifest, a config or a list
// that is read, the limit that containerd and distribution set too.
const MaxManifest = 4 << 20

// member is one name and value of a JSON object, as it was read.
type member struct {
	name  string
	value jsontext.Value
}

// readDocument reads raw, which came from elsewhere, as one JSON object of at
// most MaxManifest bytes.
func readDocument(raw []byte) ([]member, error) {
	if len(raw) > MaxManifest {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(raw), MaxManifest)
	}
	return readObject(raw)
}

// readObject reads raw as one JSON object and nothing else. Names must be
// unique at every depth (encoding/json would let the last one win, which is how
// one document means different things to different readers, CVE-2021-41190),
// and text must be UTF-8.
func readObject(raw []byte) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if kind := dec.PeekKind(); kind != '{' {
		return nil, fmt.Errorf("want a JSON object%s", syntaxCause(dec))
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonFault(err)
	}
	var members []member
	for dec.PeekKind() != '}' {
		m, err := readMember(dec)
		if err != nil {
			return nil, jsonFault(err)
		}
		members = append(members, m)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonFault(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON object")
	}
	return members, nil
}

func readMember(dec *jsontext.Decoder) (member, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return member{}, err
	}
	name := token.String()
	value, err := dec.ReadValue()
	if err != nil {
		return member{}, err
	}
	return member{name, value.Clone()}, nil
}

// syntaxCause adds what the decoder stumbled over, if it did.
func syntaxCause(dec *jsontext.Decoder) string {
	if _, err := dec.ReadToken(); err != nil && !errors.Is(err, io.EOF) {
		return ": " + jsonFault(err).Error()
	}
	return ""
}

// jsonFault takes the decoder's package name off its errors.
func jsonFault(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the JSON ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "jsontext: "))
}

// checkCase refuses names that differ from a known one in case only:
// encoding/json takes them for the known one and other readers do not.
func checkCase(members []member, known ...string) error {
	for _, m := range members {
		for _, k := range known {
			if m.name != k && strings.EqualFold(m.name, k) {
				return fmt.Errorf("member %q is spelled %q", k, m.name)
			}
		}
	}
	return nil
}

// readInto decodes the value of a member into target and names it if it fails.
// A null counts as absent; inside of an array or object it is refused, since
// encoding/json would make an empty text of it.
func (m member) readInto(target any) error {
	err := json.Unmarshal(m.value, target)
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mistyped):
		return fmt.Errorf("%s: unexpected %s", m.name, mistyped.Value)
	case err != nil:
		return fmt.Errorf("%s: %w", m.name, err)
	case m.value.Kind() != 'n' && m.hasNull():
		return fmt.Errorf("%s: unexpected null", m.name)
	}
	return nil
}

// hasNull reports whether a null is anywhere in the value.
func (m member) hasNull() bool {
	if !bytes.Contains(m.value, []byte("null")) {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(m.value))
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if token.Kind() == 'n' {
			return true
		}
	}
}

// elements returns the values of a member that must be a JSON array.
func (m member) elements() ([]jsontext.Value, error) {
	if m.value.Kind() != '[' {
		return nil, fmt.Errorf("%s: want an array", m.name)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(m.value))
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonFault(err)
	}
	var values []jsontext.Value
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return nil, jsonFault(err)
		}
		values = append(values, value.Clone())
	}
	return values, nil
}
