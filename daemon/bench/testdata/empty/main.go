// Empty is what an exec'ed Go program costs that does nothing.
package main

func main() {}
