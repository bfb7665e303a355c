// Package oxd is a client for oxd 3.1 and oxd 4, the daemon that speaks OpenID
// Connect and UMA 2.0 to a Gluu Server (or another provider) on behalf of a web
// application.
//
// oxd keeps the client registration, builds authorization URLs, exchanges
// codes, validates ID tokens and decides about UMA resources. The application
// sends it short commands and gets JSON back. All thirteen documented commands
// of 3.1.1, and what later versions add for applications, are methods of
// [Client]; [Client.Do] sends any other.
//
// # Transports
//
// [TCPTransport] speaks to oxd-server 3.1 itself, on the same machine or in a
// protected network: that socket has neither TLS nor authentication.
// [HTTPSTransport] speaks to the oxd-https-extension of 3.1, from anywhere, and
// needs a protection token with almost every command ([Site].Protected).
// [RESTTransport] speaks to oxd-server 4, which has no socket and needs tokens
// unless it is told not to. [Detect] tells the last two apart.
//
// # Concurrency
//
// Client and the transports are safe for concurrent use by any number of
// goroutines. Constructors start no goroutine and do no I/O. Every method ends
// when its context ends, and in any case after the Timeout of the transport; what
// two callers need at the same time (the registration, the protection token) is
// asked for once, and is not lost when the caller who happened to be first gives
// up. Close waits for commands in progress.
//
// # Versions
//
// Commands, parameters and results are the same for all versions; names that
// have changed are translated. What a version does not have ends in
// [ErrUnsupported], unless the documentation of the method names another way,
// and is never left out in silence. docs/oxd-versions.md lists the differences.
package oxd
