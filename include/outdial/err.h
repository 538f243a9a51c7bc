/*
 * err - operating errors. Functions return 0 or a negative enum od_err; results of the business
 * (busy, no answer) are causes (cause.h), never errors.
 */
#ifndef OUTDIAL_ERR_H
#define OUTDIAL_ERR_H

enum od_err {
    OD_OK = 0,
    OD_EINVAL = -1,    /* an argument or document that breaks its rules */
    OD_ENOMEM = -2,    /* no memory, or a fixed table is full */
    OD_ENOENT = -3,    /* no such thing, or not visible to the asker */
    OD_EEXIST = -4,    /* a thing of that name is there already */
    OD_ECONFLICT = -5, /* the thing's state forbids it (cancel of an ended call) */
    OD_EDOWN = -6,     /* the other side is not reachable now; trying later can help */
    OD_ETIMEOUT = -7,  /* no answer within the deadline; the effect is unknown */
    OD_ECANCELED = -8, /* given up by us, at shutdown or by close() */
    OD_EPROTO = -9,    /* the other side said something that breaks the protocol */
    OD_EBUSY = -10,    /* over a limit now */
    OD_EIO = -11,      /* the operating system refused; errno was logged where it happened */
    OD_EDENIED = -12,  /* not allowed */
    OD_ETOOBIG = -13,  /* longer than the limit */
};

/* "not found", "conflict", ...; never NULL, static storage. */
const char *od_err_text(int err);

#endif
