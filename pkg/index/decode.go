package index

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// into reads the next value into what target points to, of one of the types
// below. A null leaves it as it is.
//
// It stands in for encoding/json, which takes names in any case, makes an empty
// text of a null in an array or object, and names Go types in its errors.
func (r *reader) into(target any) error {
	if r.dec.PeekKind() == 'n' {
		return r.dec.SkipValue()
	}
	switch target := target.(type) {
	case *int64:
		return r.number(target)
	case *string:
		return r.string(target)
	case *types.MediaType:
		return r.string((*string)(target))
	case *v1.Hash:
		return r.hash(target)
	case *[]byte:
		return r.base64(target)
	case *[]string:
		return r.strings(target)
	case *map[string]string:
		return r.annotations(target)
	}
	return fmt.Errorf("cannot be read into %T", target)
}

func (r *reader) string(target *string) error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return jsonFault(err)
	}
	if t.Kind() != '"' {
		return unexpected(t)
	}
	*target = t.String()
	return nil
}

func (r *reader) number(target *int64) error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return jsonFault(err)
	}
	if t.Kind() != '0' {
		return unexpected(t)
	}
	n, err := strconv.ParseInt(t.String(), 10, 64)
	if err != nil {
		return unexpected(t)
	}
	*target = n
	return nil
}

func (r *reader) hash(target *v1.Hash) error {
	var s string
	if err := r.string(&s); err != nil {
		return err
	}
	h, err := v1.NewHash(s)
	*target = h
	return err
}

func (r *reader) base64(target *[]byte) error {
	var s string
	if err := r.string(&s); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(s)
	*target = data
	return err
}

func (r *reader) strings(target *[]string) error {
	if r.dec.PeekKind() != '[' {
		return r.unexpectedNext()
	}
	*target = []string{}
	return r.array(func(int) error {
		var s string
		err := r.string(&s)
		*target = append(*target, s)
		return err
	})
}

func (r *reader) annotations(target *map[string]string) error {
	if r.dec.PeekKind() != '{' {
		return r.unexpectedNext()
	}
	*target = map[string]string{}
	return r.object(func(name string) error {
		var s string
		err := r.string(&s)
		(*target)[name] = s
		return err
	})
}

func (r *reader) unexpectedNext() error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return jsonFault(err)
	}
	return unexpected(t)
}

func unexpected(t jsontext.Token) error {
	switch t.Kind() {
	case '0':
		return fmt.Errorf("unexpected number %s", t)
	case '"':
		return fmt.Errorf("unexpected string %q", t)
	case '{':
		return errors.New("unexpected object")
	case '[':
		return errors.New("unexpected array")
	default:
		return fmt.Errorf("unexpected %s", t)
	}
}
