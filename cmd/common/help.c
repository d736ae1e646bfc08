/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --help and --completion, both made of the option table.
 */
#include "common/options.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 26 /* where the texts of options and commands begin */

/* The text, its further lines under its first one. */
static void print_lines(const char *text) {
    for (const char *at = text; *at; at++) {
        putchar(*at);
        if (*at == '\n')
            printf("%*s", HELP_COLUMN, "");
    }
}

static void print_option(const struct option_spec *option) {
    int used = option->letter ? printf("  -%c, --%s", option->letter, option->name)
                              : printf("      --%s", option->name);
    if (option->argument)
        used += printf("=%s", option->argument);
    if (used + 2 > HELP_COLUMN) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", HELP_COLUMN - used, "");
    print_lines(option->help);
    if (option->choices && !strstr(option->help, option->choices) &&
        strncmp(option->choices, "auto|csv", 8) != 0)
        printf("\n%*s%s", HELP_COLUMN, "", option->choices);
    if (option->otherwise)
        printf(" (default %s)", option->otherwise);
    putchar('\n');
}

static void print_own(void *context, const struct option_spec *option, bool own) {
    (void)context;
    if (own)
        print_option(option);
}

static void print_shared(void *context, const struct option_spec *option, bool own) {
    (void)context;
    if (!own)
        print_option(option);
}

static void print_usage(const struct program *program, const struct command *command) {
    bool first = command == program->commands;
    const char *operand = command->input ? command->input : command->operand;
    printf("Usage: %s %s%s%s%s[OPTION...]%s%s\n", program->name,
           first && program->commands[1].name ? "[" : "", program->commands[1].name ? command->name : "",
           first && program->commands[1].name ? "]" : "", program->commands[1].name ? " " : "",
           operand ? " " : "", operand ? operand : "");
}

void help_print(const struct program *program, const struct command *command, bool whole) {
    print_usage(program, command);
    if (whole)
        printf("%s: %s.\n", program->name, program->purpose);
    if (program->commands[1].name)
        printf("%s: %s.\n", command->name, command->purpose);
    if (whole && program->commands[1].name) {
        printf("\nCommands (each has its own --help):\n");
        for (const struct command *other = program->commands; other->name; other++)
            printf("  %-*s%s%s\n", HELP_COLUMN - 2, other->name, other->purpose,
                   other == program->commands ? " (the default)" : "");
    }
    printf("\n%s", command->details ? command->details : "");
    if (command->options && command->options->name)
        printf("\nOptions:\n");
    options_each(command, print_own, NULL);
    printf("\nCommon options:\n");
    options_each(command, print_shared, NULL);
    if (command->example)
        printf("\nExample:\n  %s\n", command->example);
    printf("\nExit status: 0 done, 1 the answer is no, 2 trouble. More: man %s\n", program->name);
}

/* ---- completion ---- */

static void print_word(void *context, const struct option_spec *option, bool own) {
    (void)context;
    (void)own;
    printf(" --%s%s", option->name, option->argument ? "=" : "");
}

static void print_choices(void *context, const struct option_spec *option, bool own) {
    (void)context;
    (void)own;
    if (!option->choices)
        return;
    printf("    --%s", option->name);
    if (option->letter)
        printf("|-%c", option->letter);
    printf(") words='");
    for (const char *at = option->choices; *at; at++)
        putchar(*at == '|' ? ' ' : *at);
    printf("' ;;\n");
}

/* The words after "--name=", "--name" or "-n", and the options, of one command. */
static void print_command(const struct command *command, bool first) {
    if (first)
        printf("  *)\n    options='");
    else
        printf("  '%s '*)\n    options='", command->name);
    options_each(command, print_word, NULL);
    printf("'\n    case $option in\n");
    options_each(command, print_choices, NULL);
    printf("    esac ;;\n");
}

void completion_print(const struct program *program) {
    char function[64];
    snprintf(function, sizeof function, "_%s", program->name);
    for (char *at = function; *at; at++)
        if (*at == '-')
            *at = '_';
    printf("# bash completion for %s, from its option table\n%s() {\n", program->name, function);
    printf("  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options words='' "
           "option=''\n"
           "  if [ \"$word\" = = ]; then option=$before word=''\n"
           "  elif [ \"$before\" = = ]; then option=${COMP_WORDS[COMP_CWORD-2]}\n"
           "  else option=$before; fi\n"
           "  case \"${COMP_WORDS[1]} ${COMP_WORDS[2]-} \" in\n");
    for (const struct command *command = program->commands + 1; program->commands[0].name && command->name;
         command++)
        print_command(command, false);
    print_command(program->commands, true);
    printf("  esac\n"
           "  if [ -n \"$words\" ]; then mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "  elif [ \"${word:0:1}\" = - ]; then\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
           "    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n");
    if (program->commands[1].name) {
        printf("  elif [ \"$COMP_CWORD\" = 1 ]; then\n"
               "    mapfile -t COMPREPLY < <(compgen -W '");
        for (const struct command *command = program->commands; command->name; command++) {
            size_t word = strcspn(command->name, " ");
            bool said = command > program->commands && strncmp(command[-1].name, command->name, word) == 0 &&
                        strcspn(command[-1].name, " ") == word;
            if (!said)
                printf("%s%.*s", command == program->commands ? "" : " ", (int)word, command->name);
        }
        printf("' -- \"$word\"; compgen -f -- \"$word\")\n");
    }
    printf("  fi\n}\ncomplete -o default -F %s %s\n", function, program->name);
}
