/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that stands in a system call holds one of these in rax, with the call's number in
 * orig_rax (Linux include/linux/errno.h, arch/x86/kernel/signal.c):
 *
 *	-512 -513 -514 -516	the kernel does the call again once no handler is to run
 *	-EINTR			some calls give up at once: for these our stop would show
 *
 * The second kind becomes -514 (ERESTARTNOHAND). That is better than to step rip back over
 * the `syscall`: a signal that arrives while the thread stands still makes the call return
 * EINTR after its handler, as it would have without us, and nothing is lost if we die.
 *
 * The frame of rt_sigreturn is that of arch/x86/include/asm/sigframe.h: the word that `ret`
 * pops, then a ucontext. rt_sigreturn forgets the kernel's restart block and restarts
 * nothing, so in the frame the call is stepped back to and done again from its start.
 */
#include "mem/frame_int.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum {
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
	CODE_SEGMENT_64 = 0x33,
};

bool regs_are_64(const struct user_regs_struct *r)
{
	return r->cs == CODE_SEGMENT_64;
}

/*
 * Calls that return EINTR only when nothing has happened yet, and that find the same state
 * when done again. Those with a relative timeout wait their full time again. Sockets do so
 * when they have a timeout (net/core/sock.h: sock_intr_errno). Not here: close, connect.
 */
static const uint16_t eintr_calls[] = {
	SYS_epoll_wait,   SYS_epoll_pwait, 441 /* epoll_pwait2 */,
	SYS_semop,        SYS_semtimedop,  SYS_rt_sigtimedwait,
	SYS_recvfrom,     SYS_recvmsg,     SYS_recvmmsg,
	SYS_accept,       SYS_accept4,     SYS_sendto,
	SYS_sendmsg,      SYS_sendmmsg,    SYS_read,
	SYS_readv,        SYS_write,       SYS_writev,
	SYS_io_getevents,
};

bool regs_hide_eintr(struct user_regs_struct *r)
{
	if (!regs_are_64(r) || (int64_t)r->orig_rax < 0 || (int64_t)r->rax != -EINTR)
		return false;
	for (size_t i = 0; i < countof(eintr_calls); i++)
		if (r->orig_rax == eintr_calls[i]) {
			r->rax = (uint64_t)-ERESTARTNOHAND;
			return true;
		}
	return false;
}

/* Step back to the `syscall` instruction (two bytes) of a call that is to be done again. */
static void regs_step_back(struct user_regs_struct *r)
{
	if ((int64_t)r->orig_rax < 0)
		return;
	switch (-(int64_t)r->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		r->rax = r->orig_rax;
		r->rip -= 2;
	}
}

/* ---- FP state: from the ptrace form to the signal-frame form ---- */

/* struct _fpx_sw_bytes and the legacy area of arch/x86/include/uapi/asm/sigcontext.h. */
enum {
	XSAVE_SW = 464,     /* magic1, extended_size, xfeatures, xstate_size */
	XSAVE_HEADER = 512, /* xstate_bv: which parts are in use */
	XSAVE_LEGACY = 576, /* legacy area and header: what every xstate has */
	MAGIC1 = 0x46505853,
	MAGIC2 = 0x46505845,
	/* AMX tiles: in the ptrace form of every process on such a machine, in a signal
	 * frame only of those that asked the kernel for them. */
	FEATURE_TILE_CFG = 17,
	FEATURE_TILE_DATA = 18,
};

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* Bytes up to the end of the last of these features (cpuid leaf 13, one subleaf each). */
static size_t features_size(uint64_t features)
{
	size_t end = XSAVE_LEGACY;

	for (unsigned i = 2; i < 63; i++) {
		unsigned size, offset, c, d;

		if (!(features >> i & 1))
			continue;
		__cpuid_count(13, i, size, offset, c, d);
		if (offset + size > end)
			end = offset + size;
	}
	return end;
}

size_t xstate_size(void)
{
	unsigned a, size, c, d;

	/* Leaf 13: of all that is switched on (XCR0), in the form that is not compacted. */
	if (!__get_cpuid_count(13, 0, &a, &size, &c, &d) || size < XSAVE_LEGACY)
		return XSAVE_LEGACY;
	return min_u64(size, XSTATE_MAX);
}

static size_t fp_put(uint8_t *out, const struct xstate *fp)
{
	uint64_t tiles = (uint64_t)1 << FEATURE_TILE_CFG | (uint64_t)1
								   << FEATURE_TILE_DATA;
	uint64_t features = get_u64(fp->bytes + XSAVE_SW);
	struct {
		uint32_t magic1, extended_size;
		uint64_t xfeatures;
		uint32_t xstate_size, padding[7];
	} sw = { 0 };
	size_t size = fp->len;
	uint32_t magic2 = MAGIC2;

	if (!(get_u64(fp->bytes + XSAVE_HEADER) & tiles) && (features & tiles)) {
		features &= ~tiles;
		size = min_u64(size, features_size(features));
	}
	sw.magic1 = MAGIC1;
	sw.extended_size = (uint32_t)(size + sizeof(magic2));
	sw.xfeatures = features;
	sw.xstate_size = (uint32_t)size;
	memcpy(out, fp->bytes, size);
	memcpy(out + XSAVE_SW, &sw, sizeof(sw));
	memcpy(out + size, &magic2, sizeof(magic2));
	return size + sizeof(magic2);
}

/* ---- the frames ---- */

/* What rt_sigreturn reads of glibc's ucontext_t: up to the kernel's 8 bytes of signal mask. */
enum { UCONTEXT = offsetof(ucontext_t, uc_sigmask) + 8, FRAME = 8 + UCONTEXT };
/* uc_flags: there is xstate; ss is saved and is to be restored as it is. */
enum { UC_FP_XSTATE = 1, UC_SIGCONTEXT_SS = 2, UC_STRICT_RESTORE_SS = 4 };

static void frame_put(uint8_t *out, taddr restorer, const struct user_regs_struct *r,
		      taddr fp, uint64_t sigmask)
{
	ucontext_t uc = { .uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
				      (fp ? UC_FP_XSTATE : 0) };
	greg_t *g = uc.uc_mcontext.gregs;

	/* uc_stack stays empty: too small to be taken over, so the thread keeps its own. */
	g[REG_R8] = (greg_t)r->r8, g[REG_R9] = (greg_t)r->r9;
	g[REG_R10] = (greg_t)r->r10, g[REG_R11] = (greg_t)r->r11;
	g[REG_R12] = (greg_t)r->r12, g[REG_R13] = (greg_t)r->r13;
	g[REG_R14] = (greg_t)r->r14, g[REG_R15] = (greg_t)r->r15;
	g[REG_RDI] = (greg_t)r->rdi, g[REG_RSI] = (greg_t)r->rsi;
	g[REG_RBP] = (greg_t)r->rbp, g[REG_RBX] = (greg_t)r->rbx;
	g[REG_RDX] = (greg_t)r->rdx, g[REG_RAX] = (greg_t)r->rax;
	g[REG_RCX] = (greg_t)r->rcx, g[REG_RSP] = (greg_t)r->rsp;
	g[REG_RIP] = (greg_t)r->rip, g[REG_EFL] = (greg_t)r->eflags;
	g[REG_CSGSFS] = (greg_t)(r->cs | r->gs << 16 | r->fs << 32 | r->ss << 48);
	memcpy(&uc.uc_mcontext.fpregs, &fp, sizeof(fp));
	memcpy(&uc.uc_sigmask, &sigmask, sizeof(sigmask));
	memcpy(out, &restorer, sizeof(restorer));
	memcpy(out + 8, &uc, UCONTEXT);
}

size_t frames_size(const struct xstate *fp)
{
	return align_up(fp->len + sizeof(uint32_t), 64) + 2 * align_up(FRAME, 64) + 64;
}

void frames_build(struct frames *f, taddr top, const struct frame_spots *spots,
		  const struct frame_state *was)
{
	struct user_regs_struct home = *was->regs, child = *was->regs;
	size_t each = align_up(FRAME, 64);
	taddr fp_at;

	memset(f->bytes, 0, sizeof(f->bytes));
	/* xrstor wants its area aligned to 64 bytes. */
	f->low = align_down(top - frames_size(was->fp), 64);
	f->home = f->low;
	f->child = f->low + each;
	fp_at = f->low + 2 * each;
	f->len = 2 * each + fp_put(f->bytes + 2 * each, was->fp);
	assert(f->len <= sizeof(f->bytes) && f->low + f->len <= top);

	regs_step_back(&home);
	frame_put(f->bytes, spots->restorer, &home, fp_at, was->sigmask);
	child.rip = spots->syscall_ret;
	child.rsp = f->child;
	child.rax = SYS_exit_group;
	child.rdi = 0;
	frame_put(f->bytes + each, spots->restorer, &child, 0, ~(uint64_t)0);
}
