package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// serveGRPC is the service echo.Echo, whose call Say answers with the message that came.
func serveGRPC(ln net.Listener) error {
	encoding.RegisterCodec(asTheyAre{})
	s := grpc.NewServer(grpc.MaxConcurrentStreams(1000))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "echo.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
	}, struct{}{})
	return s.Serve(ln)
}

func say(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var message []byte
	err := decode(&message)
	return &message, err
}

// asTheyAre passes messages through: the coding of messages is not what is measured.
type asTheyAre struct{}

func (asTheyAre) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (asTheyAre) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

func (asTheyAre) Name() string { return "proto" }
