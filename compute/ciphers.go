package compute

import (
	"crypto/aes"
	"crypto/cipher"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// cipherFunctions encrypt and decrypt with AES. A job gives the same bytes whenever it runs, so the initialisation
// vector has to be given where the mode takes one.
func cipherFunctions() []Function {
	p := bytes()
	decrypt := func(name string, try bool, summary, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(bytes, key[, mode[, padding[, aad]]])", Summary: summary, Example: example, ExampleResult: res,
			resolve: cipherResult(try, takesOptional(returns(plan.Binary), 3, p, p, text(), text(), p)), build: buildDecrypt(try),
		}
	}
	const sealed = "(unbase64('3lmwu+Mw0H3fi5NDvcu9lg=='), '1234567890abcdef', 'ECB')"
	return []Function{
		{
			Name: "aes_encrypt", Usage: "aes_encrypt(bytes, key[, mode[, padding[, iv[, aad]]]])",
			Summary: "Bytes encrypted with AES: mode GCM (the default), CBC or ECB. GCM and CBC need the iv, and put it in front.",
			Example: "base64(aes_encrypt('Spark SQL', '1234567890abcdef', 'ECB'))", ExampleResult: "3lmwu+Mw0H3fi5NDvcu9lg==",
			resolve: takesOptional(returns(plan.Binary), 4, p, p, text(), text(), p, p),
			build: partial(textRow(func(dst []byte, r tuple) ([]byte, bool, error) {
				c, err := newSealing("aes_encrypt", r)
				if err != nil {
					return dst, false, err
				}
				out, err := c.encrypt(r.text(0), r.textOr(4, ""), r.textOr(5, ""))
				return append(dst, out...), true, err
			})),
		},
		decrypt("aes_decrypt", false, "Bytes that aes_encrypt has encrypted.", "aes_decrypt"+sealed, "Spark SQL"),
		decrypt("try_aes_decrypt", true, "As aes_decrypt, with NULL in place of errors.",
			"try_aes_decrypt('nonsense', '1234567890abcdef')", "NULL"),
	}
}

func cipherResult(try bool, r resolver) resolver {
	if try {
		return nullable(r)
	}
	return r
}

func buildDecrypt(try bool) builder {
	return strict(!try, textRow(func(dst []byte, r tuple) ([]byte, bool, error) {
		c, err := newSealing("aes_decrypt", r)
		if err == nil {
			var out []byte
			out, err = c.decrypt(r.text(0), r.textOr(4, ""))
			dst = append(dst, out...)
		}
		if try {
			return dst, err == nil, nil
		}
		return dst, true, err
	}))
}

// sealing is one way to encrypt: a mode and a key.
type sealing struct {
	name, mode, key string
}

func newSealing(name string, r tuple) (*sealing, error) {
	mode, padding := strings.ToUpper(r.textOr(2, "GCM")), strings.ToUpper(r.textOr(3, "DEFAULT"))
	switch mode + "/" + padding {
	case "GCM/NONE", "GCM/DEFAULT", "CBC/PKCS", "CBC/DEFAULT", "ECB/PKCS", "ECB/DEFAULT":
		return &sealing{name, mode, r.text(1)}, nil
	}
	return nil, userError("UNSUPPORTED_FEATURE.AES_MODE", "The feature is not supported: AES-%s with the padding %s by the `%s` function.",
		mode, padding, name)
}

func (s *sealing) block() (cipher.Block, error) {
	b, err := aes.NewCipher([]byte(s.key))
	if err != nil {
		return nil, userError("INVALID_PARAMETER_VALUE.AES_KEY_LENGTH", "The value of parameter(s) `key` in `%s` is invalid: "+
			"expects a binary value with 16, 24 or 32 bytes, but got %d bytes.", s.name, len(s.key))
	}
	return b, nil
}

// nonce is how many bytes of iv the mode takes.
func (s *sealing) nonce() int { return map[string]int{"GCM": 12, "CBC": aes.BlockSize}[s.mode] }

// check judges what goes with the mode.
func (s *sealing) check(iv, aad string) error {
	switch {
	case s.mode == "ECB" && iv != "":
		return userError("UNSUPPORTED_FEATURE.AES_MODE_IV", "The feature is not supported: `%s` with AES-ECB does not support initialization vectors (IVs).", s.name)
	case s.mode != "GCM" && aad != "":
		return userError("UNSUPPORTED_FEATURE.AES_MODE_AAD", "The feature is not supported: `%s` with AES-%s does not support additional "+
			"authenticate data (AAD).", s.name, s.mode)
	case s.mode == "ECB":
		return nil
	case iv == "":
		return userError("UNSUPPORTED_FEATURE", "%s: without an iv of %d bytes, AES-%s would give other bytes each time it runs. Derive one "+
			"from what identifies the row.", s.name, s.nonce(), s.mode)
	case len(iv) != s.nonce():
		return userError("INVALID_PARAMETER_VALUE.AES_IV_LENGTH", "The value of parameter(s) `iv` in `%s` is invalid: supports %d-byte "+
			"IVs for AES-%s, but got %d bytes.", s.name, s.nonce(), s.mode, len(iv))
	}
	return nil
}

func (s *sealing) encrypt(input, iv, aad string) ([]byte, error) {
	if err := s.check(iv, aad); err != nil {
		return nil, err
	}
	b, err := s.block()
	if err != nil {
		return nil, err
	}
	if s.mode == "GCM" {
		g, err := cipher.NewGCM(b)
		if err != nil {
			return nil, s.failure(err.Error())
		}
		return g.Seal([]byte(iv), []byte(iv), []byte(input), []byte(aad)), nil
	}
	out := blockPadded([]byte(input))
	if s.mode == "CBC" {
		cipher.NewCBCEncrypter(b, []byte(iv)).CryptBlocks(out, out)
		return append([]byte(iv), out...), nil
	}
	for at := 0; at < len(out); at += aes.BlockSize {
		b.Encrypt(out[at:], out[at:])
	}
	return out, nil
}

func (s *sealing) decrypt(input, aad string) ([]byte, error) {
	if s.mode != "GCM" && aad != "" {
		return nil, s.check("", aad)
	}
	b, err := s.block()
	if err != nil {
		return nil, err
	}
	if len(input) < s.nonce() {
		return nil, s.failure("the input is shorter than the initialization vector")
	}
	iv, rest := []byte(input[:s.nonce()]), []byte(input[s.nonce():])
	switch {
	case s.mode == "GCM":
		g, err := cipher.NewGCM(b)
		if err != nil {
			return nil, s.failure(err.Error())
		}
		out, err := g.Open(nil, iv, rest, []byte(aad))
		if err != nil {
			return nil, s.failure("the tag does not match")
		}
		return out, nil
	case len(rest)%aes.BlockSize != 0:
		return nil, s.failure("the input is no whole number of blocks")
	case s.mode == "CBC":
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(rest, rest)
	default:
		for at := 0; at < len(rest); at += aes.BlockSize {
			b.Decrypt(rest[at:], rest[at:])
		}
	}
	out, ok := blockUnpadded(rest)
	if !ok {
		return nil, s.failure("the padding is not well-formed")
	}
	return out, nil
}

func (s *sealing) failure(detail string) error {
	return userError("INVALID_PARAMETER_VALUE.AES_CRYPTO_ERROR", "The value of parameter(s) `expr, key` in `aes_encrypt`/`aes_decrypt` "+
		"is invalid: %s.", detail)
}

// blockPadded fills up the last block with bytes that say how many they are.
func blockPadded(b []byte) []byte {
	n := aes.BlockSize - len(b)%aes.BlockSize
	for range n {
		b = append(b, byte(n))
	}
	return b
}

func blockUnpadded(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return b, true
	}
	n := int(b[len(b)-1])
	if n < 1 || n > aes.BlockSize {
		return nil, false
	}
	for _, c := range b[len(b)-n:] {
		if int(c) != n {
			return nil, false
		}
	}
	return b[:len(b)-n], true
}
