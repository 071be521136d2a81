"""The work: observe, plan, build, prove, destroy."""
