// Package oxd is a client for oxd 3.1.1, the daemon that speaks OpenID Connect
// and UMA 2.0 to a Gluu Server (or another provider) on behalf of a web
// application.
//
// oxd keeps the client registration, builds authorization URLs, exchanges
// codes, validates ID tokens and decides about UMA resources. The application
// sends it short commands and gets JSON back. All thirteen documented commands
// are methods of [Client]; [Client.Do] sends any other.
//
// # Transports
//
// [TCPTransport] speaks to oxd-server itself, on the same machine or in a
// protected network: that socket has neither TLS nor authentication.
// [HTTPSTransport] speaks to the oxd-https-extension, from anywhere, and needs
// a protection token with almost every command ([Site].Protected).
//
// # Concurrency
//
// Client, TCPTransport and HTTPSTransport are safe for concurrent use by any
// number of goroutines. Constructors start no goroutine and do no I/O. Every
// method ends when its context ends, and in any case after the Timeout of the
// transport; what two callers need at the same time (the registration, the
// protection token) is asked for once, and is not lost when the caller who
// happened to be first gives up. Close waits for commands in progress.
//
// # Versions
//
// Written for 3.1.1. Later 3.1.x versions answer too: the renamed command for
// updating a site, codes added since and the scope oxd are taken into account.
// The REST interface of oxd 4 has another shape and is not supported.
package oxd
