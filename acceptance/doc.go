// Package acceptance judges the built program from outside: it is run as a
// process, against real registries and a Docker daemon, with crane, regctl,
// skopeo, podman, docker and upstream pack as judges of what it makes.
//
// Everything here is a test and has the build tag "acceptance", since it takes
// minutes and needs those programs. A test that misses one is skipped, unless CI
// is set to "true"; then it fails. Nothing leaves loopback, and no test reads
// the home directory, the credentials or the lists of who runs it.
//
// What the tests do not judge: how long something takes, beyond bounds that
// tell a program that ends from one that hangs.
package acceptance
