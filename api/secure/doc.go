// Package secure is who may speak to whom: what a process shows (a certificate, a token), what it trusts, and the one
// interceptor in front of every listener that decides about each request.
//
// Coordinators and workers know each other by certificates of one authority that name a role. Callers show a bearer
// token. A process without an [Identity] speaks cleartext, on loopback only, to whoever reaches that interface. All
// files are read again when they change, so credentials are rotated without a restart.
package secure
