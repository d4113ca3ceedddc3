package statedir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// version is that of the files' form.
const version = 1

// maxBytes bounds a file: a document of 8 MiB, and 50,000 endpoints.
const maxBytes = 64 << 20

// envelope is what a file holds.
type envelope struct {
	Version int             `json:"v"`
	SHA256  string          `json:"sha256"`            // of the bytes of the content
	Content json.RawMessage `json:"content,omitempty"` // of a file of bytes they follow the envelope's line
}

// seal puts content into an envelope.
func seal(content any) ([]byte, error) {
	inner, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	whole, err := json.Marshal(envelope{version, digest(inner), inner})
	if err != nil {
		return nil, err
	}
	return bounded(append(whole, '\n'))
}

// bounded is the whole of a file, unless it is too large to be read again.
func bounded(whole []byte) ([]byte, error) {
	if len(whole) > maxBytes {
		return nil, fmt.Errorf("larger than %d MiB (%d bytes)", maxBytes>>20, len(whole))
	}
	return whole, nil
}

// unseal takes the content out, if it is whole.
func unseal(text []byte, into any) error {
	if content, ok := sealed(text); ok {
		return decode(content, into)
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("broken: not JSON (%w)", err)
	}
	if err := e.check(e.Content); err != nil {
		return err
	}
	return decode(e.Content, into)
}

func decode(content []byte, into any) error {
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("broken: %w", err)
	}
	return nil
}

// sealed is the content of a whole file just as seal writes it. Its envelope need not be read as JSON then, which takes
// as long as to read the content.
func sealed(text []byte) (content []byte, ok bool) {
	before, content, found := bytes.Cut(text, []byte(`"content":`))
	content, whole := bytes.CutSuffix(content, []byte("}\n"))
	if !found || !whole {
		return nil, false
	}
	return content, string(before) == fmt.Sprintf(`{"v":%d,"sha256":"%s",`, version, digest(content))
}

// sealBytes puts bytes behind a line that is the envelope of them.
func sealBytes(content []byte) ([]byte, error) {
	head, err := json.Marshal(envelope{Version: version, SHA256: digest(content)})
	if err != nil {
		return nil, err
	}
	return bounded(append(append(head, '\n'), content...))
}

// unsealBytes takes the bytes out, if they are whole.
func unsealBytes(text []byte) ([]byte, error) {
	head, content, _ := bytes.Cut(text, []byte{'\n'})
	var e envelope
	if err := json.Unmarshal(head, &e); err != nil {
		return nil, fmt.Errorf("broken: its first line is not JSON (%w)", err)
	}
	return content, e.check(content)
}

// check tells whether the content is that of the envelope.
func (e *envelope) check(content []byte) error {
	if e.Version != version {
		return fmt.Errorf("of form %d, want %d: another version of the gateway wrote it", e.Version, version)
	}
	if e.SHA256 != digest(content) {
		return errors.New("broken: its checksum does not match its content")
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Read decodes the content of a file into into. That there is no file is fs.ErrNotExist. Other errors are a sentence
// that begins with the path.
func (d *Dir) Read(name string, into any) error {
	text, err := d.read(name)
	if err == nil {
		err = unseal(text, into)
	}
	if err != nil {
		return sentence(d.file(name), err)
	}
	return nil
}

// ReadBytes is Read for a file that NoteBytes wrote.
func (d *Dir) ReadBytes(name string) ([]byte, error) {
	text, err := d.read(name)
	if err == nil {
		text, err = unsealBytes(text)
	}
	if err != nil {
		return nil, sentence(d.file(name), err)
	}
	return text, nil
}

func (d *Dir) read(name string) ([]byte, error) {
	o, err := d.use()
	if err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := acceptable(info); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := io.Copy(&text, io.LimitReader(f, maxBytes)); err != nil {
		return nil, err
	}
	d.leave(name, info)
	return text.Bytes(), nil
}

// acceptable says whether a file can be one of ours.
func acceptable(info fs.FileInfo) error {
	owner, ours := ownerOf(info)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("not a regular file (%v)", info.Mode().Type())
	case !ours:
		return fmt.Errorf("belongs to user %d, want a file of the user that runs the gateway (%d)", owner, os.Geteuid())
	case info.Mode().Perm()&others != 0:
		return fmt.Errorf("mode is %#o, want %#o: others must not read or change it", info.Mode().Perm(), fileMode)
	case info.Size() > maxBytes:
		return fmt.Errorf("larger than %d MiB (%d bytes)", maxBytes>>20, info.Size())
	}
	return nil
}
