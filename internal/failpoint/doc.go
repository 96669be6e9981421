// Package failpoint lets a test stop, delay or fail a real process at a named place in its code: "after the manifest,
// before the marker". Without the build tag failpoint, [Hit] is an empty function that the compiler removes. (gofail and
// pingcap/failpoint rewrite the sources before each build; two dozen calls need no such step.)
//
// With the tag, the environment variable QUERN_FAILPOINTS says what happens:
//
//	name=action;name=N*action;name@WHO=action
//
// The action is taken at the first hit, at the N-th, or at every hit if N is 0. With WHO, only hits count whose doer's name has
// WHO in it, such as the attempts of one task: see [HitBy]. The action is one of
//
//	kill        the process ends with SIGKILL
//	pause:2s    the hit returns after so long
//	until:FILE  the hit returns once there is such a file, so that several processes can go on at once
//	error:text  the hit returns an error, for the places that can take one
//
// QUERN_FAILPOINTS=@FILE reads the same from a file, again at each hit, so that a process can be armed while it runs; a
// file that is not there arms nothing. What is taken is told on standard error as "failpoint NAME: ACTION".
package failpoint
