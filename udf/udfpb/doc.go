// Package udfpb is the protocol between workers and plugin processes: generated messages and service, the handshake,
// and how Arrow batches travel in it. See plugin.proto and docs/plugin-protocol.md; after a change run go generate, with buf, protoc-gen-go and
// protoc-gen-go-grpc on the PATH.
package udfpb

//go:generate buf generate

// The handshake. A plugin that is started without the cookie says so and exits, and one of another protocol version is
// refused with a clear message.
const (
	ProtocolVersion = 1
	CookieKey       = "QUERN_PLUGIN"
	CookieValue     = "9a1c3f0e-quern-function-plugin"
	// ServiceName is what the plugin serves, in hashicorp/go-plugin's words.
	ServiceName = "functions"
)

// MaxPayload bounds an Arrow batch in either direction, MaxMessage the message around it.
const (
	MaxPayload = 64 << 20
	MaxMessage = MaxPayload + 1<<20
)

// MaxTask bounds the payload of a source function's task, MaxTasks their number.
const (
	MaxTask  = 64 << 10
	MaxTasks = 10_000
)
