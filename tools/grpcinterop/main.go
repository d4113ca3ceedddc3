// Command grpcinterop is gRPC's own interoperability suite (google.golang.org/grpc/interop), server and client, for the
// tests.
//
//	grpcinterop server ADDRESS               listens, and prints the address as bound
//	grpcinterop client ADDRESS CA CASE...    runs cases in turn on one connection, over TLS unless the file CA is -
//	grpcinterop cases                        prints the names of all cases that need no authentication
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"slices"
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
	case len(os.Args) >= 5 && os.Args[1] == "client":
		call(os.Args[2], os.Args[3], os.Args[4:])
	case len(os.Args) == 2 && os.Args[1] == "cases":
		for _, k := range cases {
			fmt.Println(k.name)
		}
	default:
		log.Fatal("usage: grpcinterop server ADDRESS | client ADDRESS CA|- CASE... | cases")
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

// interopCase ends the process with a message when it fails.
type interopCase struct {
	name string
	run  func(context.Context, pb.TestServiceClient, *grpc.ClientConn)
}

var cases = []interopCase{
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
		interop.DoEmptyStream(ctx, c)
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

func call(address, ca string, names []string) {
	creds := insecure.NewCredentials()
	if ca != "-" {
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
	for _, name := range names {
		i := slices.IndexFunc(cases, func(k interopCase) bool { return k.name == name })
		if i < 0 {
			log.Fatalf("no case %q", name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fmt.Println(name)
		cases[i].run(ctx, c, cc)
		cancel()
	}
	fmt.Println(len(names), "cases passed")
}
