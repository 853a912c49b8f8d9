//! Greets, shows its arguments, and exits with 0.
const std = @import("std");

pub fn main(init: std.process.Init) !void {
    var buffer: [1024]u8 = undefined;
    var writer = std.Io.File.stdout().writerStreaming(init.io, &buffer);
    const out = &writer.interface;
    try out.print("Hello, {s}! I am Zig.\n", .{init.environ_map.get("GREET") orelse ""});
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    for (arguments[1..], 1..) |argument, index| try out.print("argument {d}: {s}\n", .{ index, argument });
    try out.flush();
}
