# Both images for both architectures: docker buildx bake (with a builder that has them). Every step downloads what its
# lock names for its own architecture, so nothing here is particular to one.
variable "VERSION" {
  default = "dev"
}

variable "REGISTRY" {
  # With its slash, as in "example.com/team/".
  default = ""
}

variable "BASE_IMAGE" {
  default = "python:3.13-slim"
}

group "default" {
  targets = ["worker", "operator"]
}

target "image" {
  name       = item
  matrix     = { item = ["worker", "operator"] }
  dockerfile = "Dockerfile.${item}"
  args       = { BASE_IMAGE = BASE_IMAGE, VERSION = VERSION }
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${REGISTRY}headrace-${item}:${VERSION}"]
}
