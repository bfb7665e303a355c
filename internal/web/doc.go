// Package web reads requests and addresses the way browsers and proxies read them: which paths,
// redirect targets, queries and header fields mean the same to everybody, and which are refused.
package web
