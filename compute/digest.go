package compute

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// digestFunctions hash bytes, and write them in other alphabets.
func digestFunctions() []Function {
	str := returns(plan.String)
	digest := func(name string, aliases []string, summary, example, res string, f func(dst []byte, s string) []byte) Function {
		return Function{
			Name: name, Aliases: aliases, Usage: name + "(bytes)", Summary: summary, Example: example, ExampleResult: res,
			resolve: takes(str, bytes()), build: total(text1(f)),
		}
	}
	return []Function{
		digest("md5", nil, "The MD5 digest in hexadecimal.", "md5('Spark')", "8cde774d6f7333752ed72cacddb05126",
			func(dst []byte, s string) []byte { sum := md5.Sum([]byte(s)); return hex.AppendEncode(dst, sum[:]) }),
		digest("sha1", []string{"sha"}, "The SHA-1 digest in hexadecimal.", "sha1('Spark')",
			"85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c",
			func(dst []byte, s string) []byte { sum := sha1.Sum([]byte(s)); return hex.AppendEncode(dst, sum[:]) }),
		{
			Name: "sha2", Usage: "sha2(bytes, bits)", Summary: "The SHA-2 digest of 224, 256 (also 0), 384 or 512 bits in hexadecimal.",
			Example:       "sha2('Spark', 256)",
			ExampleResult: "529bc3b07127ecb7e53a4dcf1991d9152c24537d919178022b2c42657f79a26b",
			resolve:       nullable(takes(str, bytes(), of(plan.Int32))), build: total(textSome2(sha2)),
		},
		{
			Name: "crc32", Usage: "crc32(bytes)", Summary: "The CRC-32 checksum.", Example: "crc32('Spark')",
			ExampleResult: "1557323817", resolve: takes(returns(plan.Int64), bytes()),
			build: total(map1(func(s string) int64 { return int64(crc32.ChecksumIEEE([]byte(s))) })),
		},
		{
			Name: "hmac", Usage: "hmac(key, message[, algorithm])", Summary: "The keyed digest of a message: MD5, SHA-1, SHA-224, SHA-256 (the default), SHA-384 or SHA-512.",
			Example: "hex(hmac('key', 'message', 'MD5'))", ExampleResult: "4E4748E62B463521F6775FBF921234B5",
			resolve: takesOptional(returns(plan.Binary), 1, bytes(), bytes(), text()), build: partial(textRow(keyedDigest)),
		},
		{
			Name: "hex", Usage: "hex(x)", Summary: "A number, or the bytes of a string, in hexadecimal.", Example: "hex(17)",
			ExampleResult: "11",
			resolve:       takes(str, oneOf(`("BIGINT" or "STRING" or "BINARY")`, plan.Int64, plan.Binary, plan.String)), build: buildHex,
		},
	}
}

func sha2(dst []byte, s string, bits int32) ([]byte, bool, error) {
	switch bits {
	case 224:
		sum := sha256.Sum224([]byte(s))
		return hex.AppendEncode(dst, sum[:]), true, nil
	case 0, 256:
		sum := sha256.Sum256([]byte(s))
		return hex.AppendEncode(dst, sum[:]), true, nil
	case 384:
		sum := sha512.Sum384([]byte(s))
		return hex.AppendEncode(dst, sum[:]), true, nil
	case 512:
		sum := sha512.Sum512([]byte(s))
		return hex.AppendEncode(dst, sum[:]), true, nil
	}
	return dst, false, nil
}

func buildHex(b *binding) (node, error) {
	if b.arg(0).Kind == plan.KindInt64 {
		return total(text1(func(dst []byte, v int64) []byte {
			return appendUpper(dst, strconv.FormatUint(uint64(v), 16))
		}))(b)
	}
	return total(text1(func(dst []byte, s string) []byte {
		return appendUpper(dst, hex.EncodeToString([]byte(s)))
	}))(b)
}

func keyedDigest(dst []byte, r tuple) ([]byte, bool, error) {
	algorithm := r.textOr(2, "SHA-256")
	makers := map[string]func() hash.Hash{
		"MD5": md5.New, "SHA1": sha1.New, "SHA224": sha256.New224, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New,
	}
	make, ok := makers[strings.ReplaceAll(strings.ToUpper(algorithm), "-", "")]
	if !ok {
		return dst, false, userError("INVALID_PARAMETER_VALUE.HMAC_ALGORITHM", "The value of parameter(s) `algorithm` in `hmac` is invalid: "+
			"expects one of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512, but got %s.", algorithm)
	}
	mac := hmac.New(make, []byte(r.text(0)))
	mac.Write([]byte(r.text(1)))
	return mac.Sum(dst), true, nil
}
