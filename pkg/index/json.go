package index

import (
	"bytes"
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
	value jsontext.Value // part of the document, so never written to
}

// readInto decodes the value of a member and names it if it fails. See
// reader.into for the targets.
func (m member) readInto(target any) error {
	if err := newReader(m.value).into(target); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// readDocument reads raw, which came from elsewhere, as one JSON object of at
// most MaxManifest bytes and nothing else. Names must be unique at every depth
// (encoding/json would let the last one win, which is how one document means
// different things to different readers, CVE-2021-41190), and text must be
// UTF-8. The members are parts of raw.
func readDocument(raw []byte) ([]member, error) {
	if len(raw) > MaxManifest {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(raw), MaxManifest)
	}
	r := newReader(raw, jsontext.AllowDuplicateNames(false))
	var members []member
	err := r.object(func(name string) error {
		var err error
		members, err = r.another(members, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON object")
	}
	return members, nil
}

// reader reads a JSON text from its beginning. All but readDocument give it
// parts of a document that was read once, so that syntax is no concern.
type reader struct {
	text []byte
	dec  *jsontext.Decoder
}

// newReader returns a reader of text, which must not change. Names may occur
// twice, unless an option says otherwise: the whole document was checked.
func newReader(text []byte, options ...jsontext.Options) *reader {
	options = append([]jsontext.Options{jsontext.AllowDuplicateNames(true)}, options...)
	return &reader{text, jsontext.NewDecoder(bytes.NewBuffer(text), options...)}
}

// object reads an object. member is called after each name and must read the
// value.
func (r *reader) object(member func(name string) error) error {
	if r.dec.PeekKind() != '{' {
		return fmt.Errorf("want a JSON object%s", r.syntaxCause())
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return jsonFault(err)
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return jsonFault(err)
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return jsonFault(err)
}

// array reads an array; that it is one was looked up. element is called before
// each and must read it.
func (r *reader) array(element func(i int) error) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return jsonFault(err)
	}
	for i := 0; r.dec.PeekKind() != ']'; i++ {
		if err := element(i); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return jsonFault(err)
}

// value reads the next value as a part of the text.
func (r *reader) value() (jsontext.Value, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return nil, jsonFault(err)
	}
	end := int(r.dec.InputOffset())
	return r.text[end-len(v) : end : end], nil
}

// another reads the next value as one more member.
func (r *reader) another(members []member, name string) ([]member, error) {
	v, err := r.value()
	return append(members, member{name, v}), err
}

// syntaxCause adds what the decoder stumbled over, if it did.
func (r *reader) syntaxCause() string {
	if _, err := r.dec.ReadToken(); err != nil && !errors.Is(err, io.EOF) {
		return ": " + jsonFault(err).Error()
	}
	return ""
}

// jsonFault takes the decoder's package name off its errors.
func jsonFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the JSON ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "jsontext: "))
}

// checkCase refuses a name that differs from a known one in case only:
// encoding/json takes it for the known one and other readers do not.
func checkCase(name string, known ...string) error {
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			return fmt.Errorf("member %q is spelled %q", k, name)
		}
	}
	return nil
}
