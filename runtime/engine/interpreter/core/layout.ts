/**
 * Where things are in the state memory: the one memory of a store that holds all of the canonical state but the guests'
 * own memories. What is below HEAP_START is at fixed places; functions, globals, tables and code are allocated above.
 */

/** Address 0 is null: an empty function record, whose type and instance match no call. */
export const NULL_RECORD = 0;

/** Written when the core leaves, and before an instruction that may trap. */
export const STATE_PC = 64;
/** The frame; right at all times but within a call or return. */
export const STATE_FP = 68;
/** What is left of the fuel, as an edge of the code counts it (docs/interpreter.md, Fuel). */
export const STATE_GAS = 72;

export const STACK_START = 0x1_0000;
/** Bytes of all frames of one store. Only pages that are used take memory. */
export const STACK_SIZE = 0x40_0000;
export const STACK_END = STACK_START + STACK_SIZE;
/** No frame begins behind this: the largest frame always fits behind its beginning. */
export const STACK_LIMIT = STACK_END - 0x2_0000;
export const HEAP_START = STACK_END;

/** Bytes of a slot: i32, i64, f32, f64 and references take one, v128 two. */
export const SLOT = 8;
/** The largest frame: a register is the byte offset of its slot, in 16 bits. */
export const MAX_FRAME_SLOTS = 8191;

/** Fields of a frame's header: where the caller goes on, and the caller's frame. */
export const HEADER = { returnPc: 0, callerFp: 4, size: 8 } as const;

/**
 * A function's record; its address is what a funcref holds. `code` is where it begins; as long as it is not lowered,
 * that is a stub. `positions` is its number of fuel positions. `type` and `instance` are read as one number by
 * indirect calls. `header` is the byte offset of a frame's header.
 */
export const RECORD = { code: 0, positions: 4, type: 8, instance: 12, header: 16, index: 20, size: 24 } as const;

/** A table: where its elements are (4 bytes each: a record, or a handle of a reference to the host), and how many. */
export const TABLE = { elements: 0, length: 4, capacity: 8, size: 16 } as const;

/** A global's cell: 16 bytes, enough for v128. */
export const GLOBAL_SIZE = 16;
