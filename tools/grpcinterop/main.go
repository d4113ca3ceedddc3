// Command grpcinterop is gRPC's own interoperability suite (google.golang.org/grpc/interop), server and client, for the
// tests.
//
//	grpcinterop server ADDRESS           listens, and prints the address as bound
//	grpcinterop client ADDRESS [CA.pem]  runs every case that needs no authentication; with a CA over TLS
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"

	pb "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "server":
		serve(os.Args[2])
	case len(os.Args) >= 3 && os.Args[1] == "client":
		ca := ""
		if len(os.Args) > 3 {
			ca = os.Args[3]
		}
		call(os.Args[2], ca)
	default:
		log.Fatal("usage: grpcinterop server ADDRESS | client ADDRESS [CA.pem]")
	}
}

func serve(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterTestServiceServer(s, interop.NewTestServer())
	fmt.Println(l.Addr())
	log.Fatal(s.Serve(l))
}

// cases end the process with a message when they fail.
var cases = []struct {
	name string
	run  func(context.Context, pb.TestServiceClient, *grpc.ClientConn)
}{
	{"empty_unary", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoEmptyUnaryCall(ctx, c)
	}},
	{"large_unary", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoLargeUnaryCall(ctx, c)
	}},
	{"client_streaming", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoClientStreaming(ctx, c)
	}},
	{"server_streaming", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoServerStreaming(ctx, c)
	}},
	{"ping_pong", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) { interop.DoPingPong(ctx, c) }},
	{"empty_stream", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoEmptyStream(ctx,
			c)
	}},
	{"timeout_on_sleeping_server", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoTimeoutOnSleepingServer(ctx, c)
	}},
	{"cancel_after_begin", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCancelAfterBegin(ctx, c)
	}},
	{"cancel_after_first_response", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCancelAfterFirstResponse(ctx, c)
	}},
	{"status_code_and_message", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoStatusCodeAndMessage(ctx, c)
	}},
	{"special_status_message", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoSpecialStatusMessage(ctx, c)
	}},
	{"custom_metadata", func(ctx context.Context, c pb.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCustomMetadata(ctx, c)
	}},
	{"unimplemented_method", func(ctx context.Context, _ pb.TestServiceClient, cc *grpc.ClientConn) {
		interop.DoUnimplementedMethod(ctx, cc)
	}},
	{"unimplemented_service", func(ctx context.Context, _ pb.TestServiceClient, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, pb.NewUnimplementedServiceClient(cc))
	}},
}

func call(address, ca string) {
	creds := insecure.NewCredentials()
	if ca != "" {
		var err error
		if creds, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			log.Fatal(err)
		}
	}
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		log.Fatal(err)
	}
	defer cc.Close()
	c := pb.NewTestServiceClient(cc)
	for _, k := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fmt.Println(k.name)
		k.run(ctx, c, cc)
		cancel()
	}
	fmt.Println(len(cases), "cases passed")
}
