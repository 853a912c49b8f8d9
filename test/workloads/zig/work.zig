//! As c/work.c, with Zig's standard library: work FOLDER [ARGUMENT...]; work trap
const std = @import("std");
const Io = std.Io;

fn yes(is: bool) []const u8 {
    return if (is) "yes" else "no";
}

fn clocks(io: Io, out: *Io.Writer) !void {
    const begin = Io.Clock.awake.now(io);
    try io.sleep(.fromMilliseconds(5), .awake);
    const slept = begin.durationTo(Io.Clock.awake.now(io)).toNanoseconds() >= 5 * std.time.ns_per_ms;
    const past = Io.Clock.real.now(io).toSeconds() > 1577836800;
    try out.print("clocks: past 2020 {s}, slept {s}\n", .{ yes(past), yes(slept) });
}

fn randoms(io: Io, out: *Io.Writer) !void {
    var first: [32]u8 = undefined;
    var second: [32]u8 = undefined;
    io.random(&first);
    io.random(&second);
    try out.print("random: differs {s}\n", .{yes(!std.mem.eql(u8, &first, &second))});
}

fn sorting(out: *Io.Writer) !void {
    var numbers: [10000]u32 = undefined;
    var state: u32 = 1;
    for (&numbers) |*number| {
        state = state *% 1664525 +% 1013904223;
        number.* = state;
    }
    std.mem.sort(u32, &numbers, {}, std.sort.asc(u32));
    var hash: u32 = 2166136261;
    for (numbers) |number| hash = (hash ^ number) *% 16777619;
    const middle = numbers[numbers.len / 2];
    try out.print("sorted: {d} {d} {d} {x:0>8}\n", .{ numbers[0], middle, numbers[numbers.len - 1], hash });
}

fn floats(out: *Io.Writer) !void {
    var sum: f64 = 0;
    for (1..10001) |i| {
        const x: f64 = @floatFromInt(i);
        sum += @sqrt(x) / (x * x);
    }
    try out.print("floats: {d:.12} {d:.6}\n", .{ sum, @sin(@as(f64, 1)) * @exp(@as(f64, 1)) });
}

fn ascending(_: void, left: []const u8, right: []const u8) bool {
    return std.mem.lessThan(u8, left, right);
}

fn files(io: Io, arena: std.mem.Allocator, folder: Io.Dir, out: *Io.Writer) !void {
    try folder.createDir(io, "c", .default_dir);
    try folder.writeFile(io, .{ .sub_path = "b.txt", .data = "first line\n" });
    {
        const file = try folder.openFile(io, "b.txt", .{ .mode = .write_only });
        defer file.close(io);
        try file.writePositionalAll(io, "second line\n", try file.length(io));
    }
    try folder.writeFile(io, .{ .sub_path = "c/old.txt", .data = "0123456789" });
    try folder.rename("c/old.txt", folder, "a.txt", io);
    var names: std.ArrayList([]const u8) = .empty;
    var entries = folder.iterate();
    while (try entries.next(io)) |entry| {
        const end = if (entry.kind == .directory) "/" else "";
        try names.append(arena, try std.mem.concat(arena, u8, &.{ entry.name, end }));
    }
    std.mem.sort([]const u8, names.items, {}, ascending);
    try out.print("folder:", .{});
    for (names.items) |name| try out.print(" {s}", .{name});
    var text: [4]u8 = undefined;
    const file = try folder.openFile(io, "a.txt", .{});
    defer file.close(io);
    _ = try file.readPositionalAll(io, &text, 3);
    const missing = if (folder.access(io, "missing", .{})) false else |err| err == error.FileNotFound;
    const size = (try folder.statFile(io, "b.txt", .{})).size;
    try out.print("\nfiles: {d} bytes, reads {s}, missing {s}\n", .{ size, text, yes(missing) });
    try folder.deleteDir(io, "c");
    try folder.deleteFile(io, "a.txt");
}

/// A folder that was opened for the program, or one beneath the root that was.
fn open(io: Io, preopens: std.process.Preopens, path: []const u8) !Io.Dir {
    if (preopens.get(path)) |opened| return opened.dir;
    const root = preopens.get("/") orelse return error.FileNotFound;
    return root.dir.openDir(io, path[1..], .{ .iterate = true });
}

pub fn main(init: std.process.Init) !u8 {
    const io = init.io;
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    if (arguments.len < 2) return 2;
    if (std.mem.eql(u8, arguments[1], "trap")) @trap();
    var buffer: [1024]u8 = undefined;
    var writer = Io.File.stdout().writerStreaming(io, &buffer);
    const out = &writer.interface;
    try out.print("arguments:", .{});
    for (arguments[2..]) |argument| try out.print(" [{s}]", .{argument});
    try out.print("\nGREETING: {s}\n", .{init.environ_map.get("GREETING") orelse ""});
    try clocks(io, out);
    try randoms(io, out);
    try sorting(out);
    try floats(out);
    const folder = try open(io, init.preopens, arguments[1]);
    try files(io, init.arena.allocator(), folder, out);
    try out.flush();
    try Io.File.stderr().writeStreamingAll(io, "to standard error\n");
    return 3;
}
