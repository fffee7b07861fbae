package apk

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Words that files begin with.
const (
	magicDeflate = "ADBd" // what follows is one raw deflate stream
	magicPlain   = "ADB."
)

// schema says what kind of file it is.
type schema uint32

const (
	schemaPackage schema = 0x676b6370 // "pckg"
	schemaIndex   schema = 0x78646e69 // "indx"
)

// kind is the type of a block.
type kind uint32

const (
	blockDatabase  kind = 0
	blockSignature kind = 1
	blockData      kind = 2
)

const (
	blockAlign = 8
	sizeBits   = 30
	maxBlock   = 1<<sizeBits - 1
)

// block is one block of a file.
type block struct {
	kind    kind
	payload []byte
}

// encode returns the file of these blocks, compressed.
func encode(s schema, blocks []block) ([]byte, error) {
	plain := append([]byte(magicPlain), binary.LittleEndian.AppendUint32(nil, uint32(s))...)
	for _, b := range blocks {
		size := 4 + len(b.payload)
		if size > maxBlock {
			return nil, fmt.Errorf("a block of %d bytes is too large for apk", size)
		}
		plain = binary.LittleEndian.AppendUint32(plain, uint32(b.kind)<<sizeBits|uint32(size))
		plain = append(plain, b.payload...)
		for ; size%blockAlign != 0; size++ {
			plain = append(plain, 0)
		}
	}
	var out bytes.Buffer
	out.WriteString(magicDeflate)
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// maxSize bounds what a file unpacks to, in bytes.
const maxSize = 64 << 20

// decode reads the blocks of a file.
func decode(file []byte) (s schema, blocks []block, err error) {
	packed, ok := bytes.CutPrefix(file, []byte(magicDeflate))
	if !ok {
		return 0, nil, fmt.Errorf("it does not begin with %s", magicDeflate)
	}
	in := bytes.NewReader(packed)
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxSize))
	switch {
	case err != nil:
		return 0, nil, err
	case len(plain) == maxSize:
		return 0, nil, fmt.Errorf("it unpacks to more than %d bytes", maxSize)
	case in.Len() > 0:
		return 0, nil, fmt.Errorf("%d bytes stand behind its end", in.Len())
	}
	return split(plain)
}

// split reads what was compressed.
func split(plain []byte) (s schema, blocks []block, err error) {
	plain, ok := bytes.CutPrefix(plain, []byte(magicPlain))
	if !ok || len(plain) < 4 {
		return 0, nil, fmt.Errorf("its content does not begin with %s", magicPlain)
	}
	s, plain = schema(binary.LittleEndian.Uint32(plain)), plain[4:]
	for len(plain) > 0 {
		if len(plain) < blockAlign {
			return 0, nil, errors.New("a block is cut off")
		}
		word := binary.LittleEndian.Uint32(plain)
		size := int(word & maxBlock)
		whole := (size + blockAlign - 1) / blockAlign * blockAlign
		if size < 4 || whole > len(plain) {
			return 0, nil, fmt.Errorf("a block says that it has %d bytes, %d are left", size, len(plain))
		}
		if pad := plain[size:whole]; !bytes.Equal(pad, make([]byte, len(pad))) {
			return 0, nil, errors.New("something stands between two blocks")
		}
		blocks = append(blocks, block{kind(word >> sizeBits), plain[4:size]})
		plain = plain[whole:]
	}
	return s, blocks, nil
}
