module github.com/fabian4/gateway-homebrew-go

go 1.26.8
